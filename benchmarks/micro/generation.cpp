// The sampler and the tokenizer, at SmolLM2's vocabulary and on random merges.
#include <benchmark/benchmark.h>

#include "generation/sampler.h"
#include "null_backend.h"
#include "support/model_folder.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace mm_orch::benchmarks {
namespace {

constexpr size_t kVocabulary = 49152;

void sample(benchmark::State& state, const generation::ResolvedConfig& config) {
  const auto logits = random_logits(kVocabulary);
  const std::vector<int64_t> prompt{1, 2, 3};
  generation::Sampler sampler(config, 0, prompt);
  for (auto _ : state) {
    sampler.read(logits);
    benchmark::DoNotOptimize(sampler.choose());
  }
}

void SampleGreedy(benchmark::State& state) { sample(state, {}); }
BENCHMARK(SampleGreedy);

void SampleTopP(benchmark::State& state) {
  sample(state, {.do_sample = true, .temperature = 0.8f, .top_p = 0.9f});
}
BENCHMARK(SampleTopP);

void SampleTopK(benchmark::State& state) {
  sample(state, {.do_sample = true, .temperature = 0.8f, .top_k = 40});
}
BENCHMARK(SampleTopK);

std::shared_ptr<const text::Tokenizer> byte_tokenizer() {
  const testing::ScratchFolder folder;
  testing::write_byte_tokenizer(folder.path());
  return text::Tokenizer::from_json(testing::read_text(folder.path() / "tokenizer.json"));
}

std::string kilobyte_of_text() {
  std::string text;
  while (text.size() < 1024) text += "The quick brown fox jumps over the lazy dog. ";
  return text.substr(0, 1024);
}

void EncodeKilobyte(benchmark::State& state) {
  const auto tokenizer = byte_tokenizer();
  const auto text = kilobyte_of_text();
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(text));
}
BENCHMARK(EncodeKilobyte);

void DecodeToken(benchmark::State& state) {
  const auto tokenizer = byte_tokenizer();
  const auto ids = tokenizer->encode(kilobyte_of_text());
  text::Detokenizer detokenizer(tokenizer, {});
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(detokenizer.push(ids[i++ % ids.size()]));
}
BENCHMARK(DecodeToken);

}  // namespace
}  // namespace mm_orch::benchmarks
