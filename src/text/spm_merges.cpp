#include "text/spm_merges.h"

#include <algorithm>
#include <string_view>

namespace mm_orch::text {

namespace {

struct Merge {
  uint32_t piece;
  uint32_t left;
  uint32_t right;
  uint32_t left_characters;
  uint32_t right_characters;
};

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

nlohmann::json spm_merges(const std::vector<Piece>& pieces) {
  std::unordered_map<std::string_view, uint32_t> index;
  for (uint32_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].merges) index.emplace(pieces[i].text, i);
  }

  std::vector<Merge> merges;
  for (uint32_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].merges) continue;
    const std::string_view text = pieces[i].text;
    const auto characters =
        static_cast<uint32_t>(std::count_if(text.begin(), text.end(), starts_character));
    const size_t first = merges.size();
    uint32_t left_characters = 0;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      if (!starts_character(text[cut])) continue;
      ++left_characters;
      const auto left = index.find(text.substr(0, cut));
      if (left == index.end()) continue;
      const auto right = index.find(text.substr(cut));
      if (right == index.end()) continue;
      merges.push_back(
          {i, left->second, right->second, left_characters, characters - left_characters});
    }
    std::sort(merges.begin() + static_cast<ptrdiff_t>(first), merges.end(),
              [](const Merge& a, const Merge& b) {
                return std::pair(a.left, a.right) < std::pair(b.left, b.right);
              });
  }

  std::stable_sort(merges.begin(), merges.end(), [&](const Merge& a, const Merge& b) {
    return std::tuple(pieces[a.piece].score, a.left_characters, a.right_characters) >
           std::tuple(pieces[b.piece].score, b.left_characters, b.right_characters);
  });
  auto result = nlohmann::json::array();
  for (const Merge& merge : merges) {
    result.push_back({pieces[merge.left].text, pieces[merge.right].text});
  }
  return result;
}

}  // namespace mm_orch::text
