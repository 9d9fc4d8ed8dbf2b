#include "generation_options.h"

namespace mm_orch::cli {
namespace {

constexpr const char* kGroup = "Generation";

void add_lengths(CLI::App& command, GenerationConfig& config) {
  command.add_option("--max-new-tokens", config.max_new_tokens, "new tokens at most")
      ->group(kGroup)
      ->type_name("N");
  command.add_option("--max-length", config.max_length, "prompt + new tokens at most")
      ->group(kGroup)
      ->type_name("N");
  command
      .add_option("--min-new-tokens", config.min_new_tokens,
                  "ignore end-of-text and stop strings for so many tokens")
      ->group(kGroup)
      ->type_name("N");
}

void add_sampling(CLI::App& command, GenerationOptions& options) {
  GenerationConfig& config = options.config;
  auto* greedy = command.add_flag("--greedy", options.greedy, "always the most likely token");
  auto* sample = command.add_flag("--sample", options.sample, "draw tokens by probability");
  greedy->group(kGroup)->excludes(sample);
  sample->group(kGroup);
  command
      .add_option("--temperature", config.temperature, "divide the logits, 0 is greedy (off: 1)")
      ->group(kGroup)
      ->type_name("X");
  command.add_option("--top-k", config.top_k, "keep the K most likely tokens (off: 0)")
      ->group(kGroup)
      ->type_name("K");
  command.add_option("--top-p", config.top_p, "keep tokens of total probability P (off: 1)")
      ->group(kGroup)
      ->type_name("P");
  command
      .add_option("--min-p", config.min_p,
                  "drop tokens below P times the most likely one's probability (off: 0)")
      ->group(kGroup)
      ->type_name("P");
  command
      .add_option("--repetition-penalty", config.repetition_penalty,
                  "make seen tokens less likely (off: 1)")
      ->group(kGroup)
      ->type_name("X");
  command.add_option("--seed", config.seed, "same seed, same text")->group(kGroup)->type_name("N");
}

void add_beams(CLI::App& command, GenerationConfig& config) {
  command
      .add_option("--num-beams", config.num_beams,
                  "follow N texts together and give the best (off: 1)")
      ->group(kGroup)
      ->type_name("N");
  command
      .add_option("--length-penalty", config.length_penalty,
                  "beams: above 0 favours long texts (default: 1)")
      ->group(kGroup)
      ->type_name("X");
}

void add_guesses(CLI::App& command, GenerationConfig& config) {
  command
      .add_option("--draft-model", config.draft_model,
                  "a faster model with the same vocabulary, whose guesses are checked (off: none)")
      ->group(kGroup)
      ->type_name("MODEL");
  command
      .add_flag("!--no-prompt-lookup", config.prompt_lookup,
                "do not guess tokens from earlier in the text")
      ->group(kGroup);
}

void add_stops(CLI::App& command, GenerationOptions& options) {
  command
      .add_option("--stop", options.config.stop_strings, "end before this text; may be repeated")
      ->group(kGroup)
      ->type_name("TEXT")
      ->allow_extra_args(false);
  auto* eos = command
                  .add_option("--eos-token-id", options.eos_token_ids,
                              "end at this token instead of the model's; may be repeated")
                  ->group(kGroup)
                  ->type_name("ID")
                  ->allow_extra_args(false);
  command.add_flag("--ignore-eos", options.ignore_eos, "no token ends the text")
      ->group(kGroup)
      ->excludes(eos);
}

}  // namespace

void add_generation_options(CLI::App& command, GenerationOptions& options) {
  add_lengths(command, options.config);
  add_sampling(command, options);
  add_beams(command, options.config);
  add_guesses(command, options.config);
  add_stops(command, options);
}

GenerationConfig generation_config(const GenerationOptions& options) {
  GenerationConfig config = options.config;
  if (options.greedy) config.do_sample = false;
  if (options.sample) config.do_sample = true;
  if (options.ignore_eos || !options.eos_token_ids.empty())
    config.eos_token_ids = options.eos_token_ids;
  return config;
}

}  // namespace mm_orch::cli
