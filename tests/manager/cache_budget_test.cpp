// The cache's limit in bytes.
#include <gtest/gtest.h>

#include <optional>

#include "manager/manager_fixture.h"
#include "manager/model_cache.h"

namespace mm_orch::manager {
namespace {

class SizedModel final : public backend::LoadedModel {
 public:
  explicit SizedModel(uint64_t bytes) : bytes_(bytes) {}
  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions&) override {
    return nullptr;
  }
  std::string device() const override { return "cpu"; }
  std::string precision() const override { return "FP32"; }
  uint64_t memory_bytes() const override { return bytes_; }

 private:
  uint64_t bytes_;
};

const Placement kCpu{kPyTorch, "cpu"};
using Names = std::vector<std::string>;

class CacheBudget : public ::testing::Test {
 protected:
  void load(const std::string& name, uint64_t bytes, const Placement& asked = kCpu) {
    cache.load_once(name, asked, [&](const ModelCache::MakeRoom& make_room) {
      make_room();
      auto model = std::make_shared<HostedModel>();
      model->assets.name = name;
      model->asked = asked;
      model->backend = asked.backend;
      model->model = std::make_shared<SizedModel>(bytes);
      return model;
    });
  }
  std::chrono::steady_clock::time_point now{};
  ModelCache cache{{.models = 4, .residency_s = 30, .bytes = 100}, [this] { return now; }};
};

TEST_F(CacheBudget, TheLeastRecentlyUsedGoUntilItFits) {
  load("a", 40);
  load("b", 30);
  load("c", 30);  // just full
  EXPECT_EQ(cache.names(), (Names{"c", "b", "a"}));
  cache.find("a");
  load("d", 31);
  EXPECT_EQ(cache.names(), (Names{"d", "a"}));
  EXPECT_EQ(cache.info().memory_bytes, 71u);
  EXPECT_EQ(cache.info().max_cached_bytes, 100u);
}

TEST_F(CacheBudget, TheNumberOfModelsStillCounts) {
  for (const char* name : {"a", "b", "c", "d", "e"}) load(name, 1);
  EXPECT_EQ(cache.names(), (Names{"e", "d", "c", "b"}));
}

TEST_F(CacheBudget, WhatIsInUseOrPinnedStays) {
  load("a", 50);
  load("b", 30);
  cache.pin("a", true);
  std::optional lease(cache.find("b"));
  load("c", 60);  // nothing may go: over the limit until the lease ends
  EXPECT_EQ(cache.names(), (Names{"c", "b", "a"}));
  lease.reset();
  EXPECT_EQ(cache.names(), (Names{"c", "a"}));  // the model used last stays beside the pinned one
  cache.pin("a", false);
  load("d", 1);
  EXPECT_EQ(cache.names(), (Names{"d", "c"}));
}

TEST_F(CacheBudget, AModelLargerThanTheLimitIsRefusedAndNothingGoes) {
  for (const char* name : {"a", "b", "c", "d"}) load(name, 25);
  try {
    load("large", 101);
    FAIL();
  } catch (const OutOfMemoryError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("101"), std::string::npos) << message;
    EXPECT_NE(message.find("100"), std::string::npos) << message;
    EXPECT_EQ(error.context().model, "large");
  }
  EXPECT_EQ(cache.names(), (Names{"d", "c", "b", "a"}));
  load("e", 25);
  EXPECT_EQ(cache.names(), (Names{"e", "d", "c", "b"}));
}

TEST_F(CacheBudget, AnotherPlacementThatIsTooLargeLeavesTheLoadedOne) {
  load("a", 50);
  EXPECT_THROW(load("a", 101, {kOpenVino, "CPU"}), OutOfMemoryError);
  EXPECT_EQ(cache.find("a")->asked, kCpu);
  load("a", 70, {kOpenVino, "CPU"});  // in the place of the 50, which no longer count
  load("b", 30);
  EXPECT_EQ(cache.names(), (Names{"b", "a"}));
}

TEST_F(CacheBudget, StaleOnesGoWhenRoomIsNeeded) {
  load("a", 40);
  load("b", 40);
  now += std::chrono::seconds(31);
  load("c", 40);
  EXPECT_EQ(cache.names(), Names{"c"});
}

TEST_F(CacheBudget, AStandInCounts) {
  load("a", 40);
  load("b", 40);
  {
    const auto lease = cache.find("b");
    lease->standby([] { return std::make_shared<SizedModel>(70); });
    EXPECT_EQ(cache.names(), (Names{"b", "a"}));
  }
  EXPECT_EQ(cache.names(), Names{"b"});  // larger than the limit by now, but the one used last
  EXPECT_EQ(cache.info().memory_bytes, 110u);
}

TEST_F(ManagerTest, TheByteBudgetIsOfMeasuredModels) {
  testing::write_tiny_gpt2("models/second");
  testing::write_tiny_gpt2("models/third");
  const auto bytes = [] {
    ModelManager manager;
    manager.load_model("tiny");
    return static_cast<int64_t>(manager.get_model_info("tiny").memory_bytes);
  }();
  ModelManagerOptions options;
  options.max_cached_bytes = 2 * bytes;
  ModelManager manager(options);
  for (const char* name : {"tiny", "second", "third"}) manager.load_model(name);
  EXPECT_EQ(manager.get_cached_models(), (Names{"third", "second"}));
  EXPECT_EQ(pytorch->live_models, 2);

  options.max_cached_bytes = bytes - 1;
  ModelManager small(options);
  const auto message = error_of([&] { small.load_model("tiny"); });
  EXPECT_NE(message.find(std::to_string(bytes)), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(bytes - 1)), std::string::npos) << message;
  EXPECT_EQ(pytorch->live_models, 2);

  options.max_cached_bytes = 0;
  EXPECT_THROW(ModelManager{options}, ConfigurationError);
}

}  // namespace
}  // namespace mm_orch::manager
