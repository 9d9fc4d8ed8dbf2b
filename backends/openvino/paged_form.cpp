#include "paged_form.h"

#include <fmt/format.h>

#include <openvino/op/constant.hpp>
#include <openvino/pass/manager.hpp>
#include <openvino/pass/sdpa_to_paged_attention.hpp>

#include "last_position.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Constant;

// The pass takes any mask for the causal one; how far back a layer sees is an input of its node.
void set_windows(ov::Model& model, const std::vector<int64_t>& windows) {
  constexpr size_t kWindowInput = 10;
  if (windows.empty()) return;
  for (size_t layer = 0; layer < windows.size(); ++layer) {
    const auto cache = model.input(fmt::format("key_cache.{}", layer));
    auto* attention = cache.get_target_inputs().begin()->get_node();
    attention->input(kWindowInput)
        .replace_source_output(
            Constant::create(ov::element::i32, {}, {static_cast<int32_t>(windows[layer])}));
  }
}

}  // namespace

std::shared_ptr<ov::Model> paged_form(const ov::Model& decoder, const graph::ModelInfo& info) {
  if (info.relative_attention) return nullptr;
  const auto model = decoder.clone();
  try {
    ov::pass::Manager passes;
    passes.register_pass<ov::pass::SDPAToPagedAttention>();
    passes.run_passes(model);
    set_windows(*model, info.windows);
    return choose_rows(*model, 0) ? model : nullptr;
  } catch (const std::exception& error) {
    log(LogLevel::kDebug, fmt::format("The model keeps its own state; its attention cannot be "
                                      "paged: {}",
                                      clean_message(error)));
    return nullptr;
  }
}

}  // namespace mm_orch::openvino
