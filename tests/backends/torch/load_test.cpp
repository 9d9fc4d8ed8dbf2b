// Loading on the PyTorch backend: what it accepts, what it refuses, what it copies.
#include <fstream>
#include <set>

#include "kernels/int8.h"
#include "torch_models.h"

namespace mm_orch::testing {
namespace {

template <class Error>
std::string message_of(const backend::LoadOptions& options) {
  try {
    torch_backend().load(models::build_graph(random_llama()), options);
  } catch (const Error& error) {
    EXPECT_EQ(error.context().backend, "pytorch");
    return error.what();
  }
  ADD_FAILURE() << "no error, or of another type";
  return {};
}

TEST(TorchLoad, AcceptsTheProcessorByEachOfItsNames) {
  for (const char* device : {"auto", "AUTO", "cpu", "CPU"}) {
    const auto model =
        torch_backend().load(models::build_graph(random_llama()), {.device = device});
    EXPECT_EQ(model->device(), "cpu");
    EXPECT_EQ(model->precision(), "FP32");
    EXPECT_GT(model->memory_bytes(), 0u);
  }
}

TEST(TorchLoad, RefusesAnotherDeviceAndListsThoseThere) {
  const auto message = message_of<DeviceError>({.device = "GPU"});
  EXPECT_NE(message.find("Device 'GPU' not available"), std::string::npos) << message;
  EXPECT_NE(message.find("cpu"), std::string::npos) << message;
  ASSERT_EQ(torch_backend().devices().size(), 1u);
  EXPECT_EQ(torch_backend().devices()[0].id, "cpu");
}

TEST(TorchLoad, RefusesWhatItDoesNotKnow) {
  backend::LoadOptions precision;
  precision.inference_precision = "f16";
  EXPECT_NE(message_of<ConfigurationError>(precision).find("allowed: f32, bf16"),
            std::string::npos);
  if (!torch_backend::kernels::has_vnni()) {
    precision.inference_precision = "int8";
    EXPECT_NE(message_of<ConfigurationError>(precision).find("VNNI"), std::string::npos);
  }
  backend::LoadOptions property;
  property.properties = {{"FASTER", "YES"}};
  EXPECT_NE(message_of<ConfigurationError>(property).find("FASTER"), std::string::npos);
  backend::LoadOptions threads;
  threads.num_threads = -1;
  EXPECT_NE(message_of<ConfigurationError>(threads).find("num_threads"), std::string::npos);
}

TEST(TorchLoad, ThreadsAreAsAsked) {
  const auto graph = models::build_graph(random_llama());
  const auto expected = last_logits(*torch_backend().load(graph, {}), {1, 2, 3});
  for (const int threads : {1, 2, 3}) {
    backend::LoadOptions options;
    options.num_threads = threads;
    expect_equal_logits(last_logits(*torch_backend().load(graph, options), {1, 2, 3}), expected);
  }
}

TEST(TorchLoad, RefusesArtifacts) {
  EXPECT_FALSE(torch_backend().uses_artifacts());
  EXPECT_THROW(torch_backend().open_artifact("model.xml"), BackendError);
  EXPECT_THROW(torch_backend().export_artifact(models::build_graph(random_llama()), "model", {}),
               BackendError);
}

// A float32 matrix stays where it is stored: what changes there changes the model.
TEST(TorchLoad, UsesStoredFloatsInPlace) {
  auto source = random_llama({{"tie_word_embeddings", false}});
  const auto model = load_on_torch(source);
  const auto* head = source.find("lm_head.weight");
  auto* stored = reinterpret_cast<float*>(const_cast<std::byte*>(head->data.data()));
  std::fill(stored, stored + head->data.size() / sizeof(float), 0.0f);
  for (const float logit : last_logits(*model, {1, 2, 3})) EXPECT_EQ(logit, 0.0f);
}

TEST(TorchLoad, UsesStoredBfloat16InPlace) {
  auto source = in_bf16(random_llama({{"tie_word_embeddings", false}}));
  for (const char* precision : {"f32", "bf16"}) {
    const auto model = load_on_torch(source, precision);
    const auto* head = source.find("lm_head.weight");
    auto* stored = const_cast<std::byte*>(head->data.data());
    const std::vector<std::byte> before(head->data.begin(), head->data.end());
    std::fill(stored, stored + head->data.size(), std::byte{0});
    for (const float logit : last_logits(*model, {1, 2, 3})) EXPECT_EQ(logit, 0.0f);
    std::copy(before.begin(), before.end(), stored);
  }
}

// Few rows and many, and GPT-2's transposed matrices.
TEST(TorchLoad, Bfloat16OnDiskIsExactInHalfTheMemory) {
  for (const auto& source : {in_bf16(random_llama()), in_bf16(random_gpt2())}) {
    const auto model = load_on_torch(source);
    const auto twin = load_on_torch(in_f32(source));
    EXPECT_EQ(model->precision(), "FP32");
    EXPECT_LT(model->memory_bytes(), twin->memory_bytes() * 0.6);
    for (const size_t count : {1, 3, 30})
      expect_equal_logits(last_logits(*model, random_tokens(count)),
                          last_logits(*twin, random_tokens(count)));
  }
}

// GGUF's order of a head's rows, undone in place of the conversion to floats.
TEST(TorchLoad, InterleavedHeadsAreMovedAsStored) {
  auto source = in_bf16(random_llama());
  for (const char* name :
       {"model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight"}) {
    auto tensor = *source.find(name);
    tensor.interleaved_head_size = 8;
    source.add(tensor);
  }
  expect_equal_logits(last_logits(*load_on_torch(source), random_tokens(9)),
                      last_logits(*load_on_torch(in_f32(source)), random_tokens(9)));
}

// What differs is no more than the rounding of so few bits.
void expect_rounded(const std::string& precision, const std::string& name, double memory) {
  for (const auto& source : {random_llama(), random_gpt2()}) {
    const auto exact = load_on_torch(source);
    const auto model = load_on_torch(source, precision);
    EXPECT_EQ(model->precision(), name);
    EXPECT_LT(model->memory_bytes(), exact->memory_bytes() * memory);
    for (const size_t count : {1, 3, 30}) {
      const auto expected = last_logits(*exact, random_tokens(count));
      const auto actual = last_logits(*model, random_tokens(count));
      double largest = 0, worst = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::abs(double{expected[i]}));
        worst = std::max(worst, std::abs(double{actual[i]} - expected[i]));
      }
      EXPECT_LE(worst / largest, 0.03) << count;
      EXPECT_GE(worst / largest, 1e-4) << count;
    }
  }
}

TEST(TorchLoad, Bfloat16IsAPrecision) { expect_rounded("bf16", "BF16", 0.6); }

TEST(TorchLoad, Int8IsAPrecision) {
  if (!torch_backend::kernels::has_vnni()) GTEST_SKIP() << "this processor has no VNNI";
  expect_rounded("int8", "INT8", 0.5);
}

// Two OpenMP runtimes in one process fight over the cores.
TEST(TorchLoad, BringsOneOpenMpRuntime) {
  last_logits(*load_on_torch(random_llama()), {1, 2, 3});
  std::set<std::string> runtimes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("omp") != std::string::npos && line.find(".so") != std::string::npos)
      runtimes.insert(line.substr(line.find('/')));
  EXPECT_EQ(runtimes.size(), 1u);
}

}  // namespace
}  // namespace mm_orch::testing
