#include "manager/draft_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mm_orch/log.h"

namespace mm_orch::manager {
namespace {

constexpr int64_t kMostAdded = 1024;  // tokens that one vocabulary may have more at its end

[[noreturn]] void refuse(const ModelAssets& target, const ModelAssets& draft,
                         const std::string& why, const std::string& instead) {
  throw ConfigurationError(
      fmt::format("'{}' cannot be the draft model of '{}': {}. {}, or leave out the draft model",
                  draft.name, target.name, why, instead),
      ErrorContext{.model = target.name});
}

void check_kind(const ModelAssets& target, const ModelAssets& draft) {
  for (const auto* assets : {&target, &draft})
    if (assets->info.kind != graph::ModelKind::kDecoder)
      refuse(target, draft,
             fmt::format("'{}' is {} model ({})", assets->name,
                         assets->info.kind == graph::ModelKind::kEncoder ? "an encoder"
                                                                         : "an encoder-decoder",
                         assets->info.architecture),
             "Both have to be decoders, such as GPT-2 or Llama");
}

void check_sessions(const HostedModel& target, const HostedModel& draft) {
  for (const auto* hosted : {&target, &draft})
    if (!hosted->model->paged())
      refuse(target.assets, draft.assets,
             fmt::format("'{}' runs on {}, device {}, where a text cannot forget wrong guesses",
                         hosted->assets.name, hosted->backend, hosted->model->device()),
             "Both have to run on pytorch, or on openvino's CPU");
}

std::string shown(const std::optional<std::string>& token) {
  return token ? fmt::format("\"{}\"", *token) : "none";
}

void check_tokens(const ModelAssets& target, const ModelAssets& draft) {
  const auto allowed = "Choose one with the same vocabulary, such as a smaller model of its family";
  const auto &a = target.tokenizer, &b = draft.tokenizer;
  if (a == nullptr || b == nullptr) {
    const int64_t sizes[] = {target.info.vocabulary_size, draft.info.vocabulary_size};
    if (sizes[0] != sizes[1])
      refuse(target, draft, fmt::format("it knows {} tokens, not {}", sizes[1], sizes[0]), allowed);
    return;
  }
  // One may know more: ids that fill up its vocabulary, or a few tokens added at its end.
  const int64_t common = std::min(a->vocabulary_size(), b->vocabulary_size());
  for (int64_t id = 0; id < common; ++id) {
    const auto wanted = a->id_to_token(id), found = b->id_to_token(id);
    if (wanted != found)
      refuse(target, draft,
             fmt::format("its vocabulary is another one: token {} is {}, not {}", id, shown(found),
                         shown(wanted)),
             allowed);
  }
  const int64_t most = std::max(a->vocabulary_size(), b->vocabulary_size());
  if (most - common > kMostAdded)
    refuse(target, draft,
           fmt::format("its vocabulary has {} tokens, not {}", b->vocabulary_size(),
                       a->vocabulary_size()),
           fmt::format("{}; sizes may differ by {} added tokens", allowed, kMostAdded));
}

}  // namespace

std::shared_ptr<generation::SharedPace> DraftModels::known(const HostedModel& target,
                                                           const HostedModel& draft) {
  const auto is = [](const Model& known, const auto& asked) {
    return !known.owner_before(asked) && !asked.owner_before(known);
  };
  const std::lock_guard lock(mutex_);
  std::erase_if(pairs_, [](const Pair& p) { return p.target.expired() || p.draft.expired(); });
  for (const auto& pair : pairs_)
    if (is(pair.target, target.model) && is(pair.draft, draft.model)) return pair.pace;
  return nullptr;
}

std::shared_ptr<const generation::DraftModel> DraftModels::make(const HostedModel& target,
                                                                const HostedModel& draft) {
  if (draft.assets.name == target.assets.name)
    refuse(target.assets, draft.assets, "it is the model itself", "Name a faster one");
  auto pace = known(target, draft);
  if (!pace) {
    check_kind(target.assets, draft.assets);
    check_tokens(target.assets, draft.assets);
    check_sessions(target, draft);
    pace = std::make_shared<generation::SharedPace>();
    const std::lock_guard lock(mutex_);
    pairs_.push_back({target.model, draft.model, pace});
  }
  return std::make_shared<generation::DraftModel>(generation::DraftModel{
      .model = draft.model,
      .vocabulary = std::min(target.assets.info.vocabulary_size, draft.assets.info.vocabulary_size),
      .context_length = draft.assets.info.context_length,
      .pace = std::move(pace),
      .failed = [target = target.assets.name, draft = draft.assets.name](const MuAIError& error) {
        log(LogLevel::kWarning, fmt::format("{}: going on without the draft model {}: {}", target,
                                            draft, error.what()));
      }});
}

}  // namespace mm_orch::manager
