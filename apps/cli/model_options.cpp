#include "model_options.h"

#include <fmt/format.h>

#include "terminal.h"

namespace mm_orch::cli {

void add_model_argument(CLI::App& command, std::string& model) {
  command
      .add_option("MODEL", model,
                  "a folder with config.json, a .gguf file, or a name (\"gpt2\", \"org/name\")")
      ->required();
}

void add_config_option(CLI::App& command, std::optional<std::string>& config_path) {
  command.add_option("--config", config_path, "configuration file (see config/backend.yaml)")
      ->type_name("FILE");
}

void add_model_options(CLI::App& command, ModelOptions& options) {
  add_model_argument(command, options.model);
  command.add_option("--backend", options.backend, "backend to prefer")
      ->check(CLI::IsMember({"pytorch", "openvino"}));
  command.add_option("--device", options.device, "cpu, GPU, AUTO ...")->type_name("DEVICE");
  add_config_option(command, options.config_path);
}

std::unique_ptr<ModelManager> load_model(const ModelOptions& options,
                                         const std::optional<std::string>& draft_model) {
  ModelManagerOptions manager_options;
  manager_options.config_path = options.config_path;
  auto manager = std::make_unique<ModelManager>(manager_options);
  const StatusLine status(fmt::format("Loading {} ...", options.model));
  manager->load_model(options.model, "transformers",
                      {.backend_override = options.backend, .device = options.device});
  if (draft_model) manager->load_model(*draft_model);
  return manager;
}

}  // namespace mm_orch::cli
