#include "paged_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "last_position.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

constexpr int64_t kBlockTokens = 32;  // what the CPU plug-in's attention is made for
constexpr size_t kPage = 4096;

size_t to_pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

template <class T>
ov::Tensor view(std::vector<T>& values, ov::element::Type type) {
  return {type, {values.size()}, values.data()};
}

}  // namespace

std::vector<PagedDecoder::CacheInput> PagedDecoder::cache_inputs(const ov::CompiledModel& model) {
  std::vector<CacheInput> inputs;
  for (const auto& input : model.inputs()) {
    const std::string& name = input.get_any_name();
    if (name.find("key_cache.") != 0 && name.find("value_cache.") != 0) continue;
    ov::Shape shape{1};
    for (size_t axis = 1; axis < 4; ++axis)
      shape.push_back(static_cast<size_t>(input.get_partial_shape()[axis].get_length()));
    const auto type = input.get_element_type();
    inputs.push_back({name, type, shape, ov::shape_size(shape) * type.bitwidth() / 8});
  }
  return inputs;
}

backend::PagedRunner::Layout PagedDecoder::plan(const std::vector<CacheInput>& inputs,
                                                const graph::ModelInfo& info,
                                                uint64_t kv_cache_bytes) {
  Layout layout{.block_tokens = kBlockTokens};
  for (const auto& input : inputs) layout.block_bytes += input.block_bytes;
  layout.blocks =
      backend::blocks_within(kv_cache_bytes, layout.block_bytes, kBlockTokens, info.context_length);
  return layout;
}

PagedDecoder::PagedDecoder(ov::CompiledModel model, const graph::ModelInfo& info,
                           const ErrorContext& context, uint64_t kv_cache_bytes)
    : PagedDecoder(model, info, context, cache_inputs(model),
                   plan(cache_inputs(model), info, kv_cache_bytes)) {}

PagedDecoder::PagedDecoder(ov::CompiledModel model, const graph::ModelInfo& info,
                           const ErrorContext& context, std::vector<CacheInput> inputs,
                           const Layout& layout)
    : PagedRunner(info, layout),
      model_(std::move(model)),
      context_(context),
      caches_(std::move(inputs)),
      memory_([&] {
        size_t bytes = 0;
        for (const auto& cache : caches_)
          bytes += to_pages(cache.block_bytes * static_cast<size_t>(layout.blocks));
        return bytes;
      }()) {
  memory_.prepare(0, memory_.size());
  std::byte* data = memory_.data();
  for (auto& cache : caches_) {
    cache.shape[0] = static_cast<size_t>(layout.blocks);
    cache.data = data;
    data += to_pages(cache.block_bytes * cache.shape[0]);
  }
  make_request();
}

void PagedDecoder::make_request() {
  translate<InferenceError>("OpenVINO cannot make an inference request", context_, [&] {
    request_ = model_.create_infer_request();
    for (const auto& cache : caches_)
      request_.set_tensor(cache.name, {cache.type, cache.shape, cache.data});
  });
}

void PagedDecoder::lay_out(std::span<const backend::SequenceStep> sequences) {
  for (auto* list : {&tokens_, &positions_, &rows_}) list->clear();
  for (auto* list : {&past_, &blocks_}) list->clear();
  starts_.assign(1, 0);
  block_starts_.assign(1, 0);
  longest_ = 0;
  for (const auto& sequence : sequences) {
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    const int64_t length = sequence.past + count;
    tokens_.insert(tokens_.end(), sequence.tokens.begin(), sequence.tokens.end());
    for (int64_t p = sequence.past; p < length; ++p) positions_.push_back(p);
    const auto end = static_cast<int64_t>(tokens_.size());
    for (int64_t row = end - sequence.logits; row < end; ++row) rows_.push_back(row);
    past_.push_back(static_cast<int32_t>(sequence.past));
    starts_.push_back(static_cast<int32_t>(end));
    const auto used = layout().blocks_for(length);
    blocks_.insert(blocks_.end(), sequence.blocks.begin(), sequence.blocks.begin() + used);
    block_starts_.push_back(static_cast<int32_t>(blocks_.size()));
    longest_ = std::max(longest_, static_cast<int32_t>(length));
  }
}

void PagedDecoder::set_inputs() {
  request_.set_tensor("input_ids", view(tokens_, ov::element::i64));
  request_.set_tensor("position_ids", view(positions_, ov::element::i64));
  request_.set_tensor("past_lens", view(past_, ov::element::i32));
  request_.set_tensor("subsequence_begins", view(starts_, ov::element::i32));
  request_.set_tensor("block_indices", view(blocks_, ov::element::i32));
  request_.set_tensor("block_indices_begins", view(block_starts_, ov::element::i32));
  request_.set_tensor("max_context_len", {ov::element::i32, {}, &longest_});
  request_.set_tensor(kLogitRows, view(rows_, ov::element::i64));
}

void PagedDecoder::run(std::span<const backend::SequenceStep> sequences,
                       std::vector<float>& logits) {
  if (failed_) make_request();
  failed_ = true;
  lay_out(sequences);
  const bool wanted = !rows_.empty();
  if (!wanted) rows_.push_back(0);  // an empty product is refused
  translate<InferenceError>("OpenVINO's inference failed", context_, [&] {
    set_inputs();
    request_.infer();
    const ov::Tensor output = request_.get_tensor("logits");
    const auto* data = output.data<float>();
    logits.assign(data, data + (wanted ? output.get_size() : 0));
  });
  failed_ = false;
}

void PagedDecoder::copy(int32_t from, int32_t to) {
  for (const auto& cache : caches_)
    std::memcpy(cache.data + static_cast<size_t>(to) * cache.block_bytes,
                cache.data + static_cast<size_t>(from) * cache.block_bytes, cache.block_bytes);
}

}  // namespace mm_orch::openvino
