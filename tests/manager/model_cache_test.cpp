#include "manager/model_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <optional>
#include <thread>

namespace mm_orch::manager {
namespace {

const Placement kCpu{kPyTorch, "cpu"};

std::shared_ptr<HostedModel> model_of(const std::string& name, const Placement& asked = kCpu) {
  auto model = std::make_shared<HostedModel>();
  model->assets.name = name;
  model->asked = asked;
  return model;
}

class ModelCacheTest : public ::testing::Test {
 protected:
  void load(const std::string& name) {
    cache.load_once(name, kCpu, [&](const ModelCache::MakeRoom& make_room) {
      make_room();
      return model_of(name);
    });
  }
  std::chrono::steady_clock::time_point now{};
  ModelCache cache{{.models = 2, .residency_s = 30}, [this] { return now; }};
};

using Names = std::vector<std::string>;

TEST_F(ModelCacheTest, EvictsTheLeastRecentlyUsed) {
  load("a");
  load("b");
  cache.find("a");
  load("c");
  EXPECT_EQ(cache.names(), (Names{"c", "a"}));
}

TEST_F(ModelCacheTest, LoadingALoadedModelIsAUse) {
  load("a");
  load("b");
  load("a");
  load("c");
  EXPECT_EQ(cache.names(), (Names{"c", "a"}));
}

TEST_F(ModelCacheTest, NeverEvictsWhatIsInUse) {
  load("a");
  load("b");
  std::optional lease(cache.find("a"));
  cache.find("b");
  load("c");
  EXPECT_EQ(cache.names(), (Names{"c", "a"}));
  std::optional second(cache.find("c"));
  load("d");  // both are in use: one too many until a lease ends
  EXPECT_EQ(cache.names(), (Names{"d", "c", "a"}));
  lease.reset();
  EXPECT_EQ(cache.names(), (Names{"d", "c"}));
}

TEST_F(ModelCacheTest, NeverEvictsWhatIsPinned) {
  load("a");
  EXPECT_TRUE(cache.pin("a", true));
  load("b");
  load("c");
  EXPECT_EQ(cache.names(), (Names{"c", "a"}));
  EXPECT_TRUE(cache.pin("a", false));
  load("d");
  EXPECT_EQ(cache.names(), (Names{"d", "c"}));
  EXPECT_FALSE(cache.pin("a", true));
}

TEST_F(ModelCacheTest, APinOutlivesAReloadButNotARemoval) {
  load("a");
  cache.pin("a", true);
  cache.load_once("a", {kOpenVino, "CPU"}, [](const ModelCache::MakeRoom&) {
    return model_of("a", {kOpenVino, "CPU"});
  });
  load("b");
  load("c");
  EXPECT_TRUE(cache.contains("a"));
  EXPECT_TRUE(cache.remove("a"));
  load("a");
  load("b");
  load("c");
  EXPECT_FALSE(cache.contains("a"));
}

TEST_F(ModelCacheTest, RemovesTheStaleUnlessPinnedOrInUse) {
  load("a");
  load("b");
  now += std::chrono::seconds(30);
  EXPECT_EQ(cache.remove_stale(), 0);
  now += std::chrono::seconds(1);
  cache.pin("b", true);
  EXPECT_EQ(cache.remove_stale(), 1);
  EXPECT_EQ(cache.names(), Names{"b"});
  cache.pin("b", false);
  {
    const auto lease = cache.find("b");
    now += std::chrono::seconds(31);
    EXPECT_EQ(cache.remove_stale(), 0);
  }
  EXPECT_EQ(cache.remove_stale(), 1);
}

TEST_F(ModelCacheTest, AFailedLoadEvictsNothingBeforeItMakesRoom) {
  load("a");
  load("b");
  EXPECT_THROW(cache.load_once("c", kCpu,
                               [](const ModelCache::MakeRoom&) -> std::shared_ptr<HostedModel> {
                                 throw ModelNotFoundError("no c");
                               }),
               ModelNotFoundError);
  EXPECT_EQ(cache.names(), (Names{"b", "a"}));
  EXPECT_THROW(
      cache.load_once("c", kCpu,
                      [](const ModelCache::MakeRoom& room) -> std::shared_ptr<HostedModel> {
                        room();
                        throw OutOfMemoryError("too large");
                      }),
      OutOfMemoryError);
  load("c");
  load("d");
  EXPECT_EQ(cache.names(), (Names{"d", "c"}));  // no place stayed reserved
}

TEST_F(ModelCacheTest, IdleBeyondResidencyGoesWhenRoomIsNeeded) {
  load("a");
  load("b");
  now += std::chrono::seconds(31);
  EXPECT_EQ(cache.names().size(), 2u);
  load("c");
  EXPECT_EQ(cache.names(), Names{"c"});
}

TEST_F(ModelCacheTest, AnotherPlacementReplaces) {
  load("a");
  const Placement other{kOpenVino, "CPU"};
  cache.load_once("a", other, [&](const auto&) { return model_of("a", other); });
  EXPECT_EQ(cache.names(), Names{"a"});
  EXPECT_EQ(cache.find("a")->asked, other);
}

TEST_F(ModelCacheTest, RemoveAndClear) {
  load("a");
  load("b");
  const auto lease = cache.find("a");
  EXPECT_TRUE(cache.remove("a"));
  EXPECT_FALSE(cache.remove("a"));
  EXPECT_FALSE(cache.contains("a"));
  EXPECT_EQ(lease->assets.name, "a");  // who uses it keeps it
  cache.clear();
  EXPECT_TRUE(cache.names().empty());
}

TEST_F(ModelCacheTest, ConcurrentLoadsOfOneModelHappenOnce) {
  std::atomic<int> loads = 0;
  std::latch start(8);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        start.arrive_and_wait();
        cache.load_once("a", kCpu, [&](const auto&) {
          ++loads;
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          return model_of("a");
        });
        EXPECT_TRUE(cache.contains("a"));
      });
  }
  EXPECT_EQ(loads, 1);
}

TEST_F(ModelCacheTest, AFailureReachesEveryWaiterAndIsNotKept) {
  std::atomic<int> failures = 0;
  std::atomic<int> loads = 0;
  {
    std::latch start(4);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        start.arrive_and_wait();
        try {
          cache.load_once("a", kCpu, [&](const auto&) -> std::shared_ptr<HostedModel> {
            ++loads;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            throw ModelLoadError("broken");
          });
        } catch (const ModelLoadError&) {
          ++failures;
        }
      });
  }
  EXPECT_EQ(failures, 4);
  EXPECT_LE(loads, 4);
  load("a");
  EXPECT_TRUE(cache.contains("a"));
}

TEST_F(ModelCacheTest, AFailureOfAnotherPlacementIsNotOurs) {
  const Placement other{kOpenVino, "CPU"};
  std::latch loading(1);
  std::jthread first([&] {
    EXPECT_THROW(cache.load_once("a", other,
                                 [&](const auto&) -> std::shared_ptr<HostedModel> {
                                   loading.count_down();
                                   std::this_thread::sleep_for(std::chrono::milliseconds(50));
                                   throw ModelLoadError("broken");
                                 }),
                 ModelLoadError);
  });
  loading.wait();
  load("a");
  EXPECT_EQ(cache.find("a")->asked, kCpu);
}

TEST_F(ModelCacheTest, LoadsOfDifferentModelsRunSideBySide) {
  std::latch both(2);  // each load waits for the other: one lock around loads would hang
  std::vector<std::jthread> threads;
  for (const std::string name : {"a", "b"})
    threads.emplace_back([&, name] {
      cache.load_once(name, kCpu, [&](const auto& make_room) {
        make_room();
        both.arrive_and_wait();
        return model_of(name);
      });
    });
  threads.clear();
  EXPECT_EQ(cache.names().size(), 2u);
}

TEST_F(ModelCacheTest, ManyThreadsStayWithinTheCapacity) {
  std::vector<std::jthread> threads;
  std::atomic<bool> over = false;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const std::string name(1, static_cast<char>('a' + (i * 7 + t) % 5));
        load(name);
        const auto lease = cache.find(name);
        if (lease && lease->assets.name != name) over = true;
        if (i % 50 == 49) cache.clear();
      }
    });
  threads.clear();
  load("x");
  EXPECT_LE(cache.names().size(), 2u);
  EXPECT_FALSE(over);
}

}  // namespace
}  // namespace mm_orch::manager
