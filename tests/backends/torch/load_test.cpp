// Loading on the PyTorch backend: what it accepts, what it refuses, what it copies.
#include <fstream>
#include <set>

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
  EXPECT_NE(message_of<ConfigurationError>(precision).find("allowed: f32"), std::string::npos);
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
