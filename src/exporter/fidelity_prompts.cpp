#include "exporter/fidelity_prompts.h"

#include <algorithm>
#include <array>
#include <random>
#include <string_view>

#include "mm_orch/errors.h"
#include "text/tokenizer.h"

namespace mm_orch::exporter {
namespace {

using Prompts = std::vector<std::vector<int64_t>>;

constexpr int64_t kMostTokens = 64;
constexpr uint64_t kSeed = 20240607;

// Prose, a dialogue with figures, code and other languages: what a model meets, in few tokens.
constexpr std::array<std::string_view, 4> kTexts = {
    "The ferry left the harbour an hour before sunrise, when the water was still grey and the "
    "gulls slept on the railings. Nobody on deck spoke. Below, in the warm noise of the engine "
    "room, a young mechanic was writing a letter to her brother, who had gone inland years ago "
    "and had never learned to like the sea.",
    "Question: A shop sells pencils at 3 for 2 euros. How much do 12 pencils cost, and what "
    "change is left from a 20 euro note?\nAnswer: 12 pencils are 4 groups of 3, so they cost "
    "4 x 2 = 8 euros. The change is 20 - 8 = 12 euros.\n\nQuestion: Which planet is the largest "
    "in our solar system, and how many moons does it have?\nAnswer:",
    "def running_mean(values, window):\n    \"\"\"Means of each `window` neighbouring "
    "values.\"\"\"\n"
    "    total = sum(values[:window])\n    means = [total / window]\n"
    "    for i in range(window, len(values)):\n        total += values[i] - values[i - window]\n"
    "        means.append(total / window)\n    return means\n\n\nprint(running_mean([1, 2, 4, 8], "
    "2))\n",
    "La biblioteca abre a las nueve y cierra a las ocho de la tarde. Die Katze schläft auf dem "
    "warmen Fensterbrett. Le train de Lyon arrive avec dix minutes de retard. Il gelato al limone "
    "costa tre euro.",
};

Prompts encoded_texts(const text::Tokenizer& tokenizer) {
  Prompts prompts;
  for (const auto text : kTexts) prompts.push_back(tokenizer.encode(text));
  return prompts;
}

Prompts seeded_ids(int64_t vocabulary) {
  Prompts prompts(kTexts.size(), std::vector<int64_t>(kMostTokens));
  std::mt19937_64 random(kSeed);
  for (auto& prompt : prompts)
    for (auto& id : prompt) id = static_cast<int64_t>(random() % static_cast<uint64_t>(vocabulary));
  return prompts;
}

bool fits(const Prompts& prompts, int64_t vocabulary) {
  return std::all_of(prompts.begin(), prompts.end(), [&](const auto& prompt) {
    return !prompt.empty() && *std::max_element(prompt.begin(), prompt.end()) < vocabulary;
  });
}

Prompts whole_prompts(const weights::ModelSource& source, int64_t vocabulary) {
  try {
    const auto prompts = encoded_texts(*text::Tokenizer::from_files(source.tokenizer_files()));
    if (fits(prompts, vocabulary)) return prompts;
  } catch (const ModelNotFoundError&) {  // a model of ids only
  }
  return seeded_ids(vocabulary);
}

}  // namespace

Prompts fidelity_prompts(const weights::ModelSource& source, const graph::ModelInfo& info) {
  auto prompts = whole_prompts(source, info.vocabulary_size);
  const int64_t most =
      info.context_length > 0 ? std::min(kMostTokens, info.context_length) : kMostTokens;
  auto length = static_cast<size_t>(most);
  for (const auto& prompt : prompts) length = std::min(length, prompt.size());
  for (auto& prompt : prompts) prompt.resize(length);
  return prompts;
}

}  // namespace mm_orch::exporter
