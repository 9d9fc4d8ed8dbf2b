// What of a model is the same on every backend: its configuration, tokenizer, chat
// template and shape, and the weights' source, if it is on this machine.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "manager/model_names.h"
#include "mm_orch/export.h"
#include "text/tokenizer.h"
#include "weights/model_source.h"

namespace mm_orch::manager {

struct ModelAssets {
  std::string name;                                    // as the user gave it
  std::filesystem::path path;                          // the source, or the exported model's folder
  std::shared_ptr<const weights::ModelSource> source;  // null: only the exported model is there
  nlohmann::json config;
  nlohmann::json generation_config;
  nlohmann::json special_tokens;
  std::optional<std::string> chat_template;
  std::shared_ptr<const text::Tokenizer> tokenizer;  // null: the model has none; ids only
  graph::ModelInfo info;

  /// @throws InvalidInputError  the model has no tokenizer.
  const text::Tokenizer& require_tokenizer() const;
  /// The token ids of a text. @throws FileValidationError  see check_known.
  std::vector<int64_t> encode(const std::string& text) const;
  /// @throws FileValidationError  the tokenizer gave an id that the weights have no row for: the
  /// two
  ///                              are of different models.
  void check_known(std::span<const int64_t> ids) const;
};

/// The source of a model: found here, or downloaded.
/// @throws ModelNotFoundError, FileValidationError
std::shared_ptr<const weights::ModelSource> open_source(const ModelReference& model);
/// The same, but null where the model's weights are not on this machine.
std::shared_ptr<const weights::ModelSource> open_local_source(const ModelReference& model);

ModelAssets assets_of(const std::string& name, std::shared_ptr<const weights::ModelSource> source);
/// Of an exported model that lies alone: from the config and tokenizer files beside it.
ModelAssets assets_beside(const std::string& name, const std::filesystem::path& folder);

}  // namespace mm_orch::manager
