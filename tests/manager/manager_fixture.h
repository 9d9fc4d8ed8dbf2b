// A manager over two scripted backends and a scratch folder with the tiny model
// `models/tiny`.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mm_orch/log.h"
#include "mm_orch/model_manager.h"
#include "support/model_folder.h"
#include "support/scripted_backend.h"

namespace mm_orch::manager {

class ManagerTest : public ::testing::Test {
 protected:
  ManagerTest() {
    ::setenv("HF_HUB_OFFLINE", "1", 1);
    ::setenv("HF_HUB_CACHE", scratch.path().c_str(), 1);
    testing::write_tiny_gpt2("models/tiny");
    set_log_sink([this](LogLevel level, std::string_view message) {
      if (level == LogLevel::kWarning) warnings.emplace_back(message);
    });
  }
  ~ManagerTest() override { set_log_sink({}); }

  static ModelManagerOptions with_config(const std::string& text) {
    return {.backend = {}, .config_path = {}, .config_text = text};
  }
  static ModelManagerOptions on(const std::string& backend) { return {.backend = backend}; }

  static std::string error_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const MuAIError& error) {
      return error.what();
    }
    return {};
  }

  testing::ScratchFolder scratch;
  std::shared_ptr<testing::Faults> pytorch = testing::register_scripted_backend("pytorch");
  std::shared_ptr<testing::Faults> openvino = testing::register_scripted_backend("openvino");
  std::vector<std::string> warnings;
};

}  // namespace mm_orch::manager
