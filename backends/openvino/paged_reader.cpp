#include "paged_reader.h"

#include <memory>
#include <mutex>
#include <openvino/core/op_extension.hpp>
#include <openvino/pass/manager.hpp>
#include <openvino/pass/sdpa_to_paged_attention.hpp>
#include <string_view>
#include <vector>

#include "devices.h"
#include "graph/builder.h"
#include "lowering/lower.h"

namespace mm_orch::openvino {
namespace {

constexpr const char* kType = "PagedAttentionExtension";

// The operation has no public class: one is made by OpenVINO's own pass, from the least model that
// has attention, and copied.
std::shared_ptr<ov::Node> make_example() {
  constexpr int64_t kSize = 16;
  graph::ModelInfo info{.architecture = "example", .layers = 1, .hidden_size = kSize, .heads = 1};
  info.kv_heads = 1;
  info.head_size = kSize;
  info.vocabulary_size = 1;
  const auto data = std::make_shared<std::vector<float>>(kSize);
  const auto bytes = std::as_bytes(std::span<const float>(*data));
  graph::GraphBuilder builder(info);
  const auto table = builder.weight({"table", DType::kF32, {1, kSize}, bytes, data, 0});
  const auto x = builder.add("x", builder.embedding("ids", builder.token_ids(), table),
                             builder.embedding("places", builder.positions(), table));
  const graph::Attention attention{
      .layer = 0, .heads = 1, .kv_heads = 1, .head_size = kSize, .scale = 1};
  const auto graph =
      builder.finish("out", builder.attention("attention", x, x, x, attention), table);
  const auto paged = lower(graph, backend::Precision::kFP32).decoder;
  ov::pass::Manager passes;
  passes.register_pass<ov::pass::SDPAToPagedAttention>();
  passes.run_passes(paged);
  for (const auto& node : paged->get_ops())
    if (std::string_view(node->get_type_name()) == kType) return node;
  throw BackendError("OpenVINO's pass to paged attention makes no operation of that name");
}

class PagedAttentionReader : public ov::BaseOpExtension {
 public:
  explicit PagedAttentionReader(std::shared_ptr<ov::Node> example) : example_(std::move(example)) {}

  const ov::DiscreteTypeInfo& get_type_info() const override {
    static const ov::DiscreteTypeInfo info(kType, "extension");
    return info;
  }
  std::vector<ov::Extension::Ptr> get_attached_extensions() const override { return {}; }

  // Inputs: query [N, heads * size], key, value, their caches [blocks, kv heads, ...], ...
  ov::OutputVector create(const ov::OutputVector& inputs,
                          ov::AttributeVisitor& attributes) const override {
    const auto node = example_->clone_with_new_inputs(inputs);
    node->visit_attributes(attributes);
    const auto set_sizes = [&](size_t values, size_t cache, const char* heads, const char* size) {
      const auto count = inputs[cache].get_partial_shape()[1].get_length();
      node->get_rt_info()[heads] = count;
      node->get_rt_info()[size] = inputs[values].get_partial_shape()[1].get_length() / count;
    };
    set_sizes(1, 3, "num_k_heads", "k_head_size");
    set_sizes(2, 4, "num_v_heads", "v_head_size");
    return node->outputs();
  }

 private:
  std::shared_ptr<ov::Node> example_;
};

}  // namespace

void read_paged_attention() {
  static std::once_flag once;
  std::call_once(once, [] {
    core().add_extension(
        std::shared_ptr<ov::Extension>(std::make_shared<PagedAttentionReader>(make_example())));
  });
}

}  // namespace mm_orch::openvino
