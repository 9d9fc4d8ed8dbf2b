#include "padded_texts.h"

#include <algorithm>

#include "request_pool.h"

namespace mm_orch::openvino {

PaddedTexts::PaddedTexts(const backend::EncoderInput& texts) : count_(texts.tokens.size()) {
  for (const auto& text : texts.tokens) longest_ = std::max(longest_, text.size());
  ids_.resize(count_ * longest_, 0);
  mask_.resize(count_ * longest_, 0);
  types_.resize(count_ * longest_, 0);
  for (size_t i = 0; i < count_; ++i) {
    const auto begin = static_cast<std::ptrdiff_t>(i * longest_);
    std::ranges::copy(texts.tokens[i], ids_.begin() + begin);
    std::fill_n(mask_.begin() + begin, texts.tokens[i].size(), 1);
    if (!texts.types.empty()) std::ranges::copy(texts.types[i], types_.begin() + begin);
  }
}

void PaddedTexts::set_inputs(ov::InferRequest& request) {
  const auto set = [&](const char* name, std::vector<int64_t>& values) {
    request.set_tensor(name, {ov::element::i64, {count_, longest_}, values.data()});
  };
  set("input_ids", ids_);
  const auto model = request.get_compiled_model();
  if (has_input(model, "attention_mask")) set("attention_mask", mask_);
  if (has_input(model, "token_type_ids")) set("token_type_ids", types_);
}

}  // namespace mm_orch::openvino
