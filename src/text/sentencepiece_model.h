// The file of a SentencePiece model: a protobuf message, of which the fields that make a
// tokenizer are read. Internal to src/text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace mm_orch::text {

enum class PieceType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6 };
enum class SentencePieceAlgorithm { kUnigram = 1, kBpe = 2 };

struct SentencePieceModel {
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  SentencePieceAlgorithm algorithm = SentencePieceAlgorithm::kUnigram;
  int64_t unknown_id = 0;
  bool byte_fallback = false;
  std::string charsmap;  // the normalizer's table; empty: none
};

/// @param path  the file, for the error.
/// @throws FileValidationError    no such message, cut short, no pieces, a piece twice or no UTF-8,
///                                an id or a table that does not fit.
/// @throws UnsupportedModelError  an algorithm other than Unigram and BPE.
SentencePieceModel read_sentencepiece_model(std::string_view bytes,
                                            const std::filesystem::path& path);

}  // namespace mm_orch::text
