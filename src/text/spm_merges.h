// BPE merges of a SentencePiece vocabulary, which lists only pieces and scores.
// Internal to src/text.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

namespace mm_orch::text {

struct Piece {
  std::string text;
  double score;
  bool merges;  // false for control, unknown and byte pieces, which text never merges into
};

/// Every way to cut a piece into two pieces is a merge; the piece's score ranks it, then the
/// lengths of its halves, as transformers' `generate_merges` does.
/// @return  array of [left, right], best first.
nlohmann::json spm_merges(const std::vector<Piece>& pieces);

}  // namespace mm_orch::text
