// A compiled model with paged attention, written and read back.
#include "paged_reader.h"

#include <gtest/gtest.h>

#include <openvino/pass/manager.hpp>
#include <openvino/pass/sdpa_to_paged_attention.hpp>
#include <sstream>

#include "devices.h"
#include "lowering/lower.h"
#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

template <class T>
ov::Tensor tensor(ov::element::Type type, std::vector<T> values) {
  ov::Tensor result(type, {values.size()});
  std::copy(values.begin(), values.end(), result.data<T>());
  return result;
}

// Logits of a prompt of `count` tokens, in one block.
std::vector<float> run(ov::CompiledModel model, int32_t count) {
  auto request = model.create_infer_request();
  std::vector<int64_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), 0);
  const auto i32 = ov::element::i32;
  request.set_tensor("input_ids", tensor<int64_t>(ov::element::i64, some_tokens(count)));
  request.set_tensor("position_ids", tensor<int64_t>(ov::element::i64, positions));
  request.set_tensor("past_lens", tensor<int32_t>(i32, {0}));
  request.set_tensor("subsequence_begins", tensor<int32_t>(i32, {0, count}));
  request.set_tensor(kPagedInput, tensor<int32_t>(i32, {0}));
  request.set_tensor("block_indices_begins", tensor<int32_t>(i32, {0, 1}));
  ov::Tensor longest(i32, {});
  *longest.data<int32_t>() = count;
  request.set_tensor("max_context_len", longest);
  for (const auto& input : model.inputs()) {
    const auto& name = input.get_any_name();
    if (name.find("_cache.") == std::string::npos) continue;
    ov::Shape shape{1};
    for (size_t axis = 1; axis < 4; ++axis)
      shape.push_back(static_cast<size_t>(input.get_partial_shape()[axis].get_length()));
    request.set_tensor(name, ov::Tensor(input.get_element_type(), shape));
  }
  request.infer();
  const auto logits = request.get_tensor("logits");
  return {logits.data<float>(), logits.data<float>() + logits.get_size()};
}

TEST(PagedReader, ReadsBackWhatTheCpuPlugInCannot) {
  for (const char* cache : {"f32", "u8"}) {
    const auto model = lower(llama_graph(), backend::Precision::kFP32).decoder;
    ov::pass::Manager passes;
    passes.register_pass<ov::pass::SDPAToPagedAttention>();
    passes.run_passes(model);
    const ov::AnyMap properties{{"INFERENCE_PRECISION_HINT", "f32"}, {"KV_CACHE_PRECISION", cache}};
    auto compiled = core().compile_model(model, "CPU", properties);
    std::stringstream kept;
    compiled.export_model(kept);
    read_paged_attention();
    EXPECT_EQ(run(core().import_model(kept, "CPU", properties), 12), run(compiled, 12)) << cache;
  }
}

}  // namespace
}  // namespace mm_orch::openvino
