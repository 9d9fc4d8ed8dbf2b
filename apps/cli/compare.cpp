// mm-orch compare MODEL: the same prompts on both backends, as ModelManager::compare_backends.
#include "command.h"
#include "comparison.h"
#include "exit_codes.h"
#include "generate.h"
#include "interrupt.h"
#include "json_output.h"
#include "model_options.h"
#include "terminal.h"

namespace mm_orch::cli {
namespace {

struct CompareOptions {
  std::string model;
  std::optional<std::string> config_path;
  std::vector<std::string> prompts;
  int64_t max_new_tokens = 50;
  bool chat = false;
  bool json = false;
};

const std::vector<std::string> kDefaultPrompts = {
    "What is the capital of France?",
    "Explain why the sky is blue.",
    "Write a short story about a lighthouse.",
};

ComparisonOptions prepare(ModelManager& manager, const CompareOptions& options) {
  ComparisonOptions prepared{.model = options.model, .max_new_tokens = options.max_new_tokens};
  for (const auto& prompt : options.prompts.empty() ? kDefaultPrompts : options.prompts)
    prepared.prompts.push_back(options.chat
                                   ? chat_tokens(manager, options.model, chat_messages({}, prompt))
                                   : prompt_tokens(manager, options.model, prompt));
  return prepared;
}

int compare(const CompareOptions& options) {
  ComparedBackends compared{.first = "pytorch", .second = "openvino", .result = {}};
  const auto manager = load_model(
      {.model = options.model, .backend = compared.first, .config_path = options.config_path});
  auto prepared = prepare(*manager, options);
  {
    const InterruptScope interrupt;
    Progress progress("Measuring");
    prepared.cancel = interrupt.token();
    prepared.progress = [&](int64_t done, int64_t total) {
      progress.update(done, total, options.model);
    };
    try {
      compared.result = manager->compare_backends(compared.first, compared.second, prepared);
    } catch (const CancelledError&) {
      return kExitInterrupted;
    }
  }
  if (options.json)
    print_json(comparison_json(compared));
  else
    print(comparison_table(compared) + "\n" + comparison_verdict(compared));
  return kExitSuccess;
}

}  // namespace

Runner add_compare_command(CLI::App& app) {
  auto* command = app.add_subcommand("compare", "time the same prompts on both backends");
  auto options = std::make_shared<CompareOptions>();
  add_model_argument(*command, options->model);
  command
      ->add_option("--prompt", options->prompts,
                   "a prompt; may be repeated, 8 times at most "
                   "(default: three)")
      ->type_name("TEXT")
      ->expected(1, 8)
      ->allow_extra_args(false);
  command->add_option("--max-new-tokens", options->max_new_tokens, "new tokens of each answer")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--chat", options->chat, "put each prompt into the model's chat template");
  command->add_flag("--json", options->json, "print one JSON object");
  add_config_option(*command, options->config_path);
  return [options] { return compare(*options); };
}

}  // namespace mm_orch::cli
