// hot_paths PATH COUNT: so many rounds of one of the core's own paths, for callgrind, which counts
// its instructions. What a round costs is the difference of two counts.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include "generation/sampler.h"
#include "generation/token_feed.h"
#include "null_backend.h"
#include "support/byte_tokenizer.h"
#include "text/detokenizer.h"

namespace mm_orch::benchmarks {
namespace {

constexpr size_t kVocabulary = 49152;

void sample(const generation::ResolvedConfig& config, int64_t count) {
  const auto logits = random_logits(kVocabulary);
  const std::vector<int64_t> prompt{1, 2, 3};
  generation::Sampler sampler(config, 0, prompt);
  for (int64_t i = 0; i < count; ++i) {
    sampler.read(logits);
    sampler.choose();
  }
}

struct NullSessions final : generation::SessionProvider {
  std::unique_ptr<backend::Session> open(const backend::SessionOptions& options) override {
    return std::make_unique<NullSession>(static_cast<size_t>(options.batch), 256);
  }
  std::unique_ptr<backend::Session> recover(const MuAIError&,
                                            const backend::SessionOptions& options) override {
    return open(options);
  }
  std::string backend_name() const override { return "null"; }
};

/// The loop with its feed, a greedy sampler over 256 tokens, and the text.
void generate(int64_t count) {
  NullSessions sessions;
  generation::ResolvedConfig config;
  config.max_new_tokens = count;
  size_t pieces = 0;
  config.stream = [&](size_t, std::string_view) { return ++pieces > 0; };
  const std::vector<std::vector<int64_t>> prompts{{1, 2, 3, 4}};
  generation::generate(sessions, testing::byte_tokenizer(), prompts, config);
}

const std::map<std::string, std::function<void(int64_t)>> kPaths{
    {"sample_greedy", [](int64_t count) { sample({}, count); }},
    {"sample_top_p",
     [](int64_t count) { sample({.do_sample = true, .temperature = 0.8f, .top_p = 0.9f}, count); }},
    {"generate", generate},
};

}  // namespace
}  // namespace mm_orch::benchmarks

int main(int count, char** arguments) {
  const auto& paths = mm_orch::benchmarks::kPaths;
  const auto path = count == 3 ? paths.find(arguments[1]) : paths.end();
  if (path == paths.end()) {
    std::fputs("usage: hot_paths sample_greedy|sample_top_p|generate <count>\n", stderr);
    return 2;
  }
  path->second(std::atoll(arguments[2]));
  return 0;
}
