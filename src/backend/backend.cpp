#include "backend/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace mm_orch::backend {

std::span<const float> Session::step_rows(std::span<const RowTokens>) {
  throw InferenceError("The sequences of this session are fed in lockstep alone");
}

void Session::truncate(size_t, int64_t) {
  throw InferenceError("The sequences of this session cannot be shortened");
}

EncoderOutput LoadedModel::encode(const EncoderInput&) {
  throw InvalidInputError(
      "The model is no encoder; embeddings and class scores need one, such as BERT");
}

std::filesystem::path compiled_file(const std::filesystem::path& artifact) {
  return std::filesystem::path(artifact).replace_extension(".compiled");
}

std::vector<std::string> artifact_stems(const std::string& stem, graph::ModelKind kind) {
  if (kind == graph::ModelKind::kEncoderDecoder) return {stem + "_encoder", stem + "_decoder"};
  return {stem};
}

std::string precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFP32:
      return "FP32";
    case Precision::kFP16:
      return "FP16";
    case Precision::kINT8:
      return "INT8";
    case Precision::kINT4:
      return "INT4";
  }
  return "FP32";
}

Precision parse_precision(const std::string& name) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const auto precision :
       {Precision::kFP32, Precision::kFP16, Precision::kINT8, Precision::kINT4})
    if (upper == precision_name(precision)) return precision;
  throw InvalidInputError(
      fmt::format("Unknown precision '{}'; allowed are FP32, FP16, INT8 and INT4", name));
}

}  // namespace mm_orch::backend
