#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "generation/generator.h"
#include "generation/stop_matcher.h"

namespace mm_orch::generation {

namespace {

using nlohmann::json;

constexpr int64_t kDefaultMaxNewTokens = 50;
constexpr int64_t kTransformersDefaultMaxLength = 20;
constexpr double kUnbounded = std::numeric_limits<double>::max();

struct Limits {
  double low;
  bool low_allowed;
  double high;
  std::string_view text;

  bool hold(double value) const {
    return (low_allowed ? value >= low : value > low) && value <= high;
  }
};

constexpr Limits kAtLeast1 = {1, true, kUnbounded, "at least 1"};
constexpr Limits kAtLeast0 = {0, true, kUnbounded, "at least 0"};
constexpr Limits kNonNegative = {0, true, std::numeric_limits<float>::max(), "finite, at least 0"};
constexpr Limits kPositive = {0, false, std::numeric_limits<float>::max(), "finite, above 0"};
constexpr Limits kTopP = {0, false, 1, "above 0 and at most 1"};
constexpr Limits kFinite = {std::numeric_limits<float>::lowest(), true,
                            std::numeric_limits<float>::max(), "finite"};
constexpr Limits kBeams = {1, true, 256, "from 1 to 256"};
constexpr Limits kMinP = {0, true, 1, "from 0 to 1"};

/// One of the model's files, read for defaults.
class Defaults {
 public:
  Defaults(const json& content, std::string_view file) : content_(content), file_(file) {
    if (!content.is_null() && !content.is_object()) {
      throw ConfigurationError(
          fmt::format("{} holds {} where a JSON object is expected; correct or remove the file.",
                      file_, content.type_name()));
    }
  }

  const json* find(const char* key) const {
    if (!content_.is_object()) return nullptr;
    const auto it = content_.find(key);
    return it == content_.end() || it->is_null() ? nullptr : &*it;
  }

  std::optional<bool> boolean(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_boolean()) refuse(key, *value, "true or false");
    return value->get<bool>();
  }

  std::optional<float> number(const char* key, const Limits& limits) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (!value->is_number() || !limits.hold(value->get<double>()) ||
        !limits.hold(static_cast<float>(value->get<double>()))) {
      refuse(key, *value, fmt::format("a number {}", limits.text));
    }
    return static_cast<float>(value->get<double>());
  }

  std::optional<int64_t> integer(const char* key, const Limits& limits) const {
    const json* value = find(key);
    return value ? std::optional(to_integer(key, *value, limits)) : std::nullopt;
  }

  std::optional<EarlyStopping> early_stopping() const {
    constexpr const char* kKey = "early_stopping";
    const json* value = find(kKey);
    if (!value) return std::nullopt;
    if (*value == "never") return EarlyStopping::kNever;
    if (!value->is_boolean()) refuse(kKey, *value, "true, false or \"never\"");
    return value->get<bool>() ? EarlyStopping::kYes : EarlyStopping::kNo;
  }

  std::optional<std::vector<int64_t>> ids(const char* key) const {
    const json* value = find(key);
    if (!value) return std::nullopt;
    std::vector<int64_t> ids;
    if (value->is_array()) {
      for (const json& id : *value) ids.push_back(to_integer(key, id, kAtLeast0));
    } else {
      ids.push_back(to_integer(key, *value, kAtLeast0));
    }
    return ids;
  }

 private:
  // Python writes some integers as floats (50.0).
  int64_t to_integer(const char* key, const json& value, const Limits& limits) const {
    constexpr double kInt64Limit = 0x1p63;
    const double number = value.is_number() ? value.get<double>() : -1;
    if (!value.is_number() || number != std::floor(number) || number >= kInt64Limit ||
        !limits.hold(number)) {
      refuse(key, value, fmt::format("an integer {}", limits.text));
    }
    return value.is_number_float() ? static_cast<int64_t>(number) : value.get<int64_t>();
  }

  [[noreturn]] void refuse(const char* key, const json& value, const std::string& allowed) const {
    throw ConfigurationError(
        fmt::format("{}: {} is {}, but must be {}; correct or remove it.", file_, key,
                    value.dump(-1, ' ', false, json::error_handler_t::replace), allowed));
  }

  const json& content_;
  std::string_view file_;
};

template <class T>
void check(const char* name, const std::optional<T>& value, const Limits& limits) {
  if (value && !limits.hold(static_cast<double>(*value))) {
    throw InvalidInputError(
        fmt::format("{} is {}, but must be {}; change it or leave it out for the model's default.",
                    name, *value, limits.text));
  }
}

void check_asked(const GenerationConfig& asked) {
  check("max_new_tokens", asked.max_new_tokens, kAtLeast1);
  check("max_length", asked.max_length, kAtLeast1);
  check("min_new_tokens", asked.min_new_tokens, kAtLeast0);
  check("temperature", asked.temperature, kNonNegative);
  check("top_k", asked.top_k, kAtLeast0);
  check("top_p", asked.top_p, kTopP);
  check("min_p", asked.min_p, kMinP);
  check("repetition_penalty", asked.repetition_penalty, kPositive);
  check("num_beams", asked.num_beams, kBeams);
  check("length_penalty", asked.length_penalty, kFinite);
  for (int64_t id : asked.eos_token_ids.value_or(std::vector<int64_t>{})) {
    check("an id in eos_token_ids", std::optional(id), kAtLeast0);
  }
}

void check_prompt(int64_t prompt_tokens, int64_t context_length) {
  if (prompt_tokens < 1) {
    throw InvalidInputError("The prompt has no tokens; a prompt needs at least one.");
  }
  if (prompt_tokens >= context_length) {
    throw InvalidInputError(fmt::format(
        "The prompt has {} tokens, but the model's context holds {} and needs room for at least "
        "one new token; shorten the prompt to {} tokens.",
        prompt_tokens, context_length, context_length - 1));
  }
}

int64_t after_prompt(int64_t max_length, int64_t prompt_tokens, std::string_view source) {
  if (max_length > prompt_tokens) return max_length - prompt_tokens;
  throw InvalidInputError(fmt::format(
      "max_length{} is {} and counts the prompt, which has {} tokens already; raise max_length "
      "above {} or set max_new_tokens instead.",
      source, max_length, prompt_tokens, prompt_tokens));
}

int64_t resolve_max_new_tokens(const GenerationConfig& asked, const Defaults& defaults,
                               int64_t prompt_tokens, int64_t context_length) {
  const int64_t room = context_length - prompt_tokens;
  if (asked.max_new_tokens) {
    if (*asked.max_new_tokens <= room) return *asked.max_new_tokens;
    throw InvalidInputError(fmt::format(
        "max_new_tokens is {}, but after a prompt of {} tokens the model's context of {} leaves "
        "room for {}; lower max_new_tokens or shorten the prompt.",
        *asked.max_new_tokens, prompt_tokens, context_length, room));
  }
  if (asked.max_length) {
    if (*asked.max_length <= context_length)
      return after_prompt(*asked.max_length, prompt_tokens, "");
    throw InvalidInputError(
        fmt::format("max_length is {}, but the model's context holds {} tokens; lower max_length.",
                    *asked.max_length, context_length));
  }
  if (const auto length = defaults.integer("max_new_tokens", kAtLeast1)) {
    return std::min(*length, room);
  }
  const auto max_length = defaults.integer("max_length", kAtLeast1);
  if (max_length && *max_length != kTransformersDefaultMaxLength) {
    return std::min(after_prompt(*max_length, prompt_tokens, " in generation_config.json"), room);
  }
  return std::min(kDefaultMaxNewTokens, room);
}

int64_t resolve_min_new_tokens(const GenerationConfig& asked, const Defaults& defaults,
                               int64_t max_new_tokens) {
  if (!asked.min_new_tokens) {
    return std::min(defaults.integer("min_new_tokens", kAtLeast0).value_or(0), max_new_tokens);
  }
  if (*asked.min_new_tokens <= max_new_tokens) return *asked.min_new_tokens;
  throw InvalidInputError(fmt::format(
      "min_new_tokens is {}, but at most {} new tokens are generated; lower min_new_tokens or "
      "raise max_new_tokens.",
      *asked.min_new_tokens, max_new_tokens));
}

bool resolve_do_sample(const GenerationConfig& asked, const Defaults& defaults, float temperature) {
  if (temperature == 0) return false;
  if (asked.do_sample) return *asked.do_sample;
  if (asked.temperature || asked.top_k || asked.top_p || asked.min_p) return true;
  return defaults.boolean("do_sample").value_or(false);
}

std::vector<int64_t> resolve_eos(const GenerationConfig& asked, const Defaults& defaults,
                                 const json& config) {
  if (asked.eos_token_ids) return *asked.eos_token_ids;
  if (const auto ids = defaults.ids("eos_token_id")) return *ids;
  return Defaults(config, "config.json").ids("eos_token_id").value_or(std::vector<int64_t>{});
}

// Beams take the likeliest texts of all, once they have ended.
void check_beams(const GenerationConfig& asked, const ResolvedConfig& resolved) {
  if (resolved.num_beams == 1) return;
  const auto refuse = [&](const char* what, const char* instead) {
    throw InvalidInputError(
        fmt::format("num_beams is {}{}, but {}; {}, or set num_beams to 1.", resolved.num_beams,
                    asked.num_beams ? "" : " (generation_config.json)", what, instead));
  };
  if (resolved.do_sample)
    refuse("sampling is on",
           "set do_sample to false and leave out temperature, top_k, top_p, min_p");
  if (resolved.stream) refuse("beams cannot be streamed", "leave out the stream");
  if (!resolved.stop_strings.empty()) refuse("beams know no stop strings", "leave them out");
  if (asked.draft_model) refuse("beams take no guesses", "leave out the draft model");
  if (asked.prompt_lookup == true) refuse("beams take no guesses", "leave out prompt_lookup");
}

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

}  // namespace

ResolvedConfig resolve(const GenerationConfig& asked, const json& generation_config,
                       const json& config, int64_t prompt_tokens, int64_t context_length) {
  if (context_length == 0) context_length = std::numeric_limits<int64_t>::max();
  check_asked(asked);
  check_prompt(prompt_tokens, context_length);
  StopStrings check_stop_strings(asked.stop_strings);
  const Defaults defaults(generation_config, "generation_config.json");

  const auto number = [&](const char* key, const std::optional<float>& value, const Limits& limits,
                          float off) {
    return value ? *value : defaults.number(key, limits).value_or(off);
  };
  ResolvedConfig resolved;
  resolved.max_new_tokens = resolve_max_new_tokens(asked, defaults, prompt_tokens, context_length);
  resolved.min_new_tokens = resolve_min_new_tokens(asked, defaults, resolved.max_new_tokens);
  resolved.temperature = number("temperature", asked.temperature, kNonNegative, 1.0f);
  resolved.top_k = asked.top_k ? *asked.top_k : defaults.integer("top_k", kAtLeast0).value_or(0);
  resolved.top_p = number("top_p", asked.top_p, kTopP, 1.0f);
  resolved.min_p = number("min_p", asked.min_p, kMinP, 0.0f);
  resolved.repetition_penalty =
      number("repetition_penalty", asked.repetition_penalty, kPositive, 1.0f);
  resolved.num_beams =
      asked.num_beams ? *asked.num_beams : defaults.integer("num_beams", kBeams).value_or(1);
  resolved.length_penalty = number("length_penalty", asked.length_penalty, kFinite, 1.0f);
  resolved.early_stopping = asked.early_stopping
                                ? *asked.early_stopping
                                : defaults.early_stopping().value_or(EarlyStopping::kNo);
  resolved.do_sample = resolve_do_sample(asked, defaults, resolved.temperature);
  resolved.seed = asked.seed ? *asked.seed : random_seed();
  resolved.stop_strings = asked.stop_strings;
  resolved.eos_token_ids = resolve_eos(asked, defaults, config);
  resolved.prompt_lookup = asked.prompt_lookup.value_or(true);
  resolved.stream = asked.stream;
  resolved.cancel = asked.cancel;
  check_beams(asked, resolved);
  return resolved;
}

}  // namespace mm_orch::generation
