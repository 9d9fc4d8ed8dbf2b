#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

TEST_F(ManagerTest, TheProcessHasOneManagerThatCanBeReplaced) {
  std::vector<std::shared_ptr<ModelManager>> seen(8);
  {
    std::vector<std::jthread> threads;
    for (auto& manager : seen) threads.emplace_back([&] { manager = get_model_manager(); });
  }
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 1u);
  const auto first = get_model_manager();
  first->load_model("tiny");

  ModelManagerOptions wrong;
  wrong.max_cached_models = 0;
  EXPECT_THROW(configure_model_manager(wrong), ConfigurationError);
  EXPECT_EQ(get_model_manager(), first);
  EXPECT_TRUE(first->is_loaded("tiny"));

  ModelManagerOptions options;
  options.max_cached_models = 7;
  const auto second = configure_model_manager(options);
  EXPECT_EQ(get_model_manager(), second);
  EXPECT_EQ(second->get_cache_info().max_cached_models, 7);
  EXPECT_FALSE(first->is_loaded("tiny"));
  EXPECT_EQ(pytorch->live_models, 0);
  first->load_model("tiny");  // who has the old one can go on
  first->unload_all();
  configure_model_manager({});
}

}  // namespace
}  // namespace mm_orch::manager
