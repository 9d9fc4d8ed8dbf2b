// mm-orch run MODEL [PROMPT...]: one prompt, its continuation as it comes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <iterator>

#include "command.h"
#include "exit_codes.h"
#include "generate.h"
#include "generation_options.h"
#include "json_output.h"
#include "mm_orch/log.h"
#include "model_options.h"
#include "terminal.h"

namespace mm_orch::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  GenerationOptions generation;
  std::vector<std::string> prompt;
  std::optional<std::string> system;
  bool chat = false;
  bool json = false;
};

std::string read_prompt(const RunOptions& options) {
  if (!options.prompt.empty()) return fmt::format("{}", fmt::join(options.prompt, " "));
  if (stdin_is_terminal()) note("Type the prompt; Ctrl-D on an empty line ends it.");
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void print_run_json(ModelManager& manager, const RunOptions& options, const std::string& prompt,
                    const GenerationResult& result) {
  nlohmann::ordered_json object = {{"model", options.model.model}, {"prompt", prompt}};
  object.update(to_json(result));
  object["fallback_events"] = nlohmann::ordered_json::array();
  for (const FallbackEvent& event : manager.get_fallback_events())
    object["fallback_events"].push_back(to_json(event));
  print_json(object);
}

int run(const RunOptions& options) {
  const std::string prompt = read_prompt(options);
  if (prompt.empty())
    throw InvalidInputError(
        "The prompt is empty; give it after the model's name or through standard input");
  const auto manager = load_model(options.model, options.generation.config.draft_model);
  const std::string& model = options.model.model;
  const auto tokens = options.chat || options.system
                          ? chat_tokens(*manager, model, chat_messages(options.system, prompt))
                          : prompt_tokens(*manager, model, prompt);
  const auto [result, interrupted] = generate_answer(
      *manager, model, tokens, generation_config(options.generation), !options.json);
  if (options.json)
    print_run_json(*manager, options, prompt, result);
  else
    print("\n");
  flush();
  log(LogLevel::kInfo, fmt::format("{} tokens on {}, {:.1f} tokens/s, first token after {:.0f} ms",
                                   result.new_tokens.size(), result.backend,
                                   tokens_per_second(result), result.time_to_first_token_s * 1e3));
  return interrupted ? kExitInterrupted : kExitSuccess;
}

}  // namespace

Runner add_run_command(CLI::App& app) {
  auto* command = app.add_subcommand("run", "continue a prompt, printing the text as it comes");
  auto options = std::make_shared<RunOptions>();
  add_model_options(*command, options->model);
  command->add_option("PROMPT", options->prompt,
                      "the prompt; words are joined by spaces (default: standard input)");
  command->add_flag("--chat", options->chat, "put the prompt into the model's chat template");
  command->add_option("--system", options->system, "system message; implies --chat")
      ->type_name("TEXT");
  command->add_flag("--json", options->json, "print one JSON object when the text is complete");
  add_generation_options(*command, options->generation);
  return [options] { return run(*options); };
}

}  // namespace mm_orch::cli
