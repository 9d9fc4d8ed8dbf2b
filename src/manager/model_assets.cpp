#include "manager/model_assets.h"

#include <fmt/format.h>

#include "mm_orch/errors.h"
#include "models/registry.h"
#include "weights/model_locator.h"

namespace mm_orch::manager {
namespace {

std::shared_ptr<const text::Tokenizer> tokenizer_of(const weights::ModelSource& source) {
  try {
    return text::Tokenizer::from_files(source.tokenizer_files());
  } catch (const ModelNotFoundError&) {
    return nullptr;
  }
}

ModelAssets described_by(const std::string& name, const weights::ModelSource& source) {
  return {.name = name,
          .path = source.path(),
          .source = nullptr,
          .config = source.config(),
          .generation_config = source.generation_config(),
          .special_tokens = source.special_tokens(),
          .chat_template = source.chat_template(),
          .tokenizer = tokenizer_of(source),
          .info = models::model_info(source.config())};
}

}  // namespace

const text::Tokenizer& ModelAssets::require_tokenizer() const {
  if (!tokenizer)
    throw InvalidInputError(
        fmt::format("Model '{}' has no tokenizer in {} (tokenizer.json or the older files it is "
                    "made from); give token ids instead of text",
                    name, path.string()),
        ErrorContext{.model = name, .path = path.string()});
  return *tokenizer;
}

void ModelAssets::check_known(std::span<const int64_t> ids) const {
  for (const int64_t id : ids)
    if (id >= info.vocabulary_size)
      throw FileValidationError(
          fmt::format(
              "The tokenizer of '{}' gives token {}, but its weights know {} tokens (0 to {}); "
              "tokenizer and weights are of different models. Put the files of one model into "
              "{}",
              name, id, info.vocabulary_size, info.vocabulary_size - 1, path.string()),
          ErrorContext{.model = name, .path = path.string()});
}

std::vector<int64_t> ModelAssets::encode(const std::string& text) const {
  auto ids = require_tokenizer().encode(text);
  check_known(ids);
  return ids;
}

std::shared_ptr<const weights::ModelSource> open_source(const ModelReference& model) {
  return weights::open_model(weights::locate_model(model.location));
}

std::shared_ptr<const weights::ModelSource> open_local_source(const ModelReference& model) {
  const auto path = weights::find_local_model(model.location);
  return path ? weights::open_model(*path) : nullptr;
}

ModelAssets assets_of(const std::string& name, std::shared_ptr<const weights::ModelSource> source) {
  auto assets = described_by(name, *source);
  assets.source = std::move(source);
  return assets;
}

ModelAssets assets_beside(const std::string& name, const std::filesystem::path& folder) {
  return described_by(name, *weights::open_description(folder));
}

}  // namespace mm_orch::manager
