// The options that say which model runs where, shared by the subcommands.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "mm_orch/model_manager.h"

namespace mm_orch::cli {

struct ModelOptions {
  std::string model;
  std::optional<std::string> backend;
  std::optional<std::string> device;
  std::optional<std::string> config_path;
};

void add_model_argument(CLI::App& command, std::string& model);
void add_config_option(CLI::App& command, std::optional<std::string>& config_path);
/// MODEL, --backend, --device, --config.
void add_model_options(CLI::App& command, ModelOptions& options);

/// A manager with the model loaded.
std::unique_ptr<ModelManager> load_model(const ModelOptions& options,
                                         const std::optional<std::string>& draft_model = {});

}  // namespace mm_orch::cli
