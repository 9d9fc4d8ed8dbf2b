// mm-orch compare MODEL: the same prompts on both backends, greedy, the runs interleaved
// so that a change of the machine's pace hits both.
#include <fmt/format.h>

#include <algorithm>

#include "command.h"
#include "comparison.h"
#include "exit_codes.h"
#include "generate.h"
#include "json_output.h"
#include "model_options.h"
#include "terminal.h"

namespace mm_orch::cli {
namespace {

struct CompareOptions {
  std::string model;
  std::optional<std::string> config_path;
  std::vector<std::string> prompts;
  int64_t runs = 3;
  int64_t max_new_tokens = 50;
  bool chat = false;
  bool show = false;
  bool json = false;
};

const std::vector<std::string> kDefaultPrompts = {
    "What is the capital of France?",
    "Explain why the sky is blue.",
    "Write a short story about a lighthouse.",
};

struct Side {
  std::unique_ptr<ModelManager> manager;
  Contender contender;
  std::vector<GenerationResult> outputs;  // one per prompt, of the first run
};

// A fallback would compare PyTorch with itself.
[[noreturn]] void refuse_fallback(const Side& side, const std::string& model) {
  const auto events = side.manager->get_fallback_events();
  const std::string why = events.empty() ? "" : ": " + events.back().message;
  throw BackendError(fmt::format("{} cannot run {}, so there is nothing to compare{}",
                                 side.contender.backend, model, why),
                     {.model = model, .backend = side.contender.backend});
}

Side load_side(const CompareOptions& options, const std::string& backend) {
  Side side;
  side.contender.backend = backend;
  side.manager =
      load_model({.model = options.model, .backend = backend, .config_path = options.config_path});
  const auto information = side.manager->get_model_info(options.model);
  if (information.backend != backend) refuse_fallback(side, options.model);
  side.contender.precision = information.precision;
  side.contender.device = information.device;
  return side;
}

Answer generate(Side& side, const CompareOptions& options, const std::string& prompt, bool show) {
  GenerationConfig config;
  config.do_sample = false;
  config.max_new_tokens = options.max_new_tokens;
  const auto tokens = options.chat
                          ? chat_tokens(*side.manager, options.model, chat_messages({}, prompt))
                          : prompt_tokens(*side.manager, options.model, prompt);
  if (show)
    print(fmt::format("{} {}\n", styled(Style::kBold, side.contender.backend + ":"), prompt));
  Answer answer = generate_answer(*side.manager, options.model, tokens, config, show);
  if (show) {
    print("\n\n");
    flush();
  }
  if (answer.result.backend != side.contender.backend) refuse_fallback(side, options.model);
  return answer;
}

/// False if Ctrl-C stopped it.
bool measure(std::vector<Side>& sides, const CompareOptions& options) {
  for (Side& side : sides)
    if (generate(side, options, options.prompts.front(), false).interrupted) return false;
  Progress progress("Measuring");
  const auto total = options.runs * static_cast<int64_t>(options.prompts.size());
  int64_t done = 0;
  for (int64_t run = 0; run < options.runs; ++run) {
    const bool show = options.show && run == 0;
    for (const std::string& prompt : options.prompts) {
      if (!show) progress.update(done, total, prompt);
      for (size_t i = 0; i < sides.size(); ++i) {
        // Who goes first changes from run to run.
        Side& side = sides[run % 2 == 0 ? i : sides.size() - 1 - i];
        auto [result, interrupted] = generate(side, options, prompt, show);
        if (interrupted) return false;
        side.contender.samples.push_back({result.time_to_first_token_s, result.latency_s,
                                          static_cast<int64_t>(result.new_tokens.size())});
        if (run == 0) side.outputs.push_back(std::move(result));
      }
      ++done;
    }
  }
  return true;
}

std::string token_text(Side& side, const std::string& model, size_t prompt, size_t position) {
  const auto& tokens = side.outputs[prompt].new_tokens;
  if (position >= tokens.size()) return "the end";
  return fmt::format("\"{}\"", side.manager->detokenize(model, {tokens[position]}, false));
}

void print_differences(std::vector<Side>& sides, const CompareOptions& options) {
  size_t equal = 0;
  for (size_t i = 0; i < options.prompts.size(); ++i) {
    const auto position =
        first_difference(sides[0].outputs[i].new_tokens, sides[1].outputs[i].new_tokens);
    if (!position) {
      ++equal;
      continue;
    }
    print(fmt::format("Prompt {} differs from token {} on: {} {}, {} {}\n", i + 1, *position + 1,
                      sides[0].contender.backend, token_text(sides[0], options.model, i, *position),
                      sides[1].contender.backend,
                      token_text(sides[1], options.model, i, *position)));
  }
  print(
      fmt::format("{} of {} outputs are equal, token by token.\n", equal, options.prompts.size()));
}

nlohmann::ordered_json outputs_json(const std::vector<Side>& sides, const CompareOptions& options) {
  auto rows = nlohmann::ordered_json::array();
  for (size_t i = 0; i < options.prompts.size(); ++i) {
    nlohmann::ordered_json row = {{"prompt", options.prompts[i]}};
    for (const Side& side : sides) row[side.contender.backend] = side.outputs[i].text;
    const auto position =
        first_difference(sides[0].outputs[i].new_tokens, sides[1].outputs[i].new_tokens);
    row["first_difference"] = position ? nlohmann::ordered_json(*position) : nullptr;
    rows.push_back(std::move(row));
  }
  return rows;
}

int compare(CompareOptions options) {
  if (options.prompts.empty()) options.prompts = kDefaultPrompts;
  options.show = options.show && !options.json;
  std::vector<Side> sides;
  for (const char* backend : {"pytorch", "openvino"}) sides.push_back(load_side(options, backend));
  if (!measure(sides, options)) return kExitInterrupted;
  std::vector<Contender> contenders;
  for (const Side& side : sides) contenders.push_back(side.contender);
  if (options.json) {
    print_json({{"model", options.model},
                {"runs", options.runs},
                {"max_new_tokens", options.max_new_tokens},
                {"backends", comparison_json(contenders)},
                {"outputs", outputs_json(sides, options)}});
    return kExitSuccess;
  }
  print(comparison_table(contenders) + "\n");
  print_differences(sides, options);
  return kExitSuccess;
}

}  // namespace

Runner add_compare_command(CLI::App& app) {
  auto* command = app.add_subcommand("compare", "time the same prompts on both backends");
  auto options = std::make_shared<CompareOptions>();
  add_model_argument(*command, options->model);
  command->add_option("--prompt", options->prompts, "a prompt; may be repeated (default: three)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->add_option("--runs", options->runs, "times each prompt runs on each backend")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--max-new-tokens", options->max_new_tokens, "new tokens at most")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--chat", options->chat, "put each prompt into the model's chat template");
  command->add_flag("--show", options->show, "print the answers of the first run as they come");
  command->add_flag("--json", options->json, "print one JSON object");
  add_config_option(*command, options->config_path);
  return [options] { return compare(*options); };
}

}  // namespace mm_orch::cli
