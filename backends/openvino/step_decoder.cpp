#include "step_decoder.h"

#include <utility>

#include "last_position.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

struct Source : backend::EncodedSource {
  PackedSource packed;
};

int64_t block_floats(const graph::ModelInfo& info) {
  return info.layers * info.heads * head_floats(info.head_size);
}

backend::PagedRunner::Layout plan(const graph::ModelInfo& info, uint64_t kv_cache_bytes) {
  const auto bytes = static_cast<uint64_t>(block_floats(info)) * sizeof(float);
  return {kKeysPerBlock, bytes,
          backend::blocks_within(kv_cache_bytes, bytes, kKeysPerBlock, info.context_length)};
}

// Of text number `text` in the states [texts, N, E, D] of each layer's keys and values.
PackedSource pack(const SourceReader::States& states, size_t text, int64_t tokens) {
  const auto& shape = states.front().get_shape();
  const auto heads = static_cast<int64_t>(shape[1]), longest = static_cast<int64_t>(shape[2]),
             size = static_cast<int64_t>(shape[3]);
  PackedSource source{
      .data = {}, .tokens = tokens, .blocks = (tokens + kKeysPerBlock - 1) / kKeysPerBlock};
  const int64_t head_stride = source.blocks * head_floats(size);
  source.data.resize(states.size() / 2 * static_cast<size_t>(heads * head_stride));
  float* data = source.data.data();
  for (size_t layer = 0; layer < states.size(); layer += 2) {
    const int64_t begin = static_cast<int64_t>(text) * heads * longest * size;
    const float* keys = states[layer].data<float>() + begin;
    const float* values = states[layer + 1].data<float>() + begin;
    for (int64_t head = 0; head < heads; ++head, data += head_stride)
      for (int64_t t = 0; t < tokens; ++t) {
        const int64_t from = (head * longest + t) * size;
        put(data + t / kKeysPerBlock * head_floats(size), t % kKeysPerBlock, size, keys + from,
            values + from);
      }
  }
  return source;
}

}  // namespace

StepDecoder::StepDecoder(const CompiledForm& form, const graph::ModelInfo& info,
                         const ErrorContext& context, uint64_t kv_cache_bytes)
    : PagedRunner(info, plan(info, kv_cache_bytes)),
      model_(form.decoder),
      sources_(*form.encoder, form.source_names),
      context_(context),
      blocks_(layout().blocks, static_cast<int64_t>(layout().block_bytes)) {
  step_.cache = reinterpret_cast<float*>(blocks_.data());
  step_.block_floats = block_floats(info);
}

void StepDecoder::lay_out(std::span<const backend::SequenceStep> sequences) {
  tokens_.clear();
  rows_.clear();
  step_.sequences.clear();
  for (const auto& sequence : sequences) {
    const auto first = static_cast<int64_t>(tokens_.size());
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    tokens_.insert(tokens_.end(), sequence.tokens.begin(), sequence.tokens.end());
    for (int64_t row = first + count - sequence.logits; row < first + count; ++row)
      rows_.push_back(row);
    blocks_.prepare(written_blocks(sequence));
    step_.sequences.push_back({first, count, sequence.past, sequence.blocks.data(),
                               &static_cast<const Source*>(sequence.source)->packed});
  }
}

void StepDecoder::run(std::span<const backend::SequenceStep> sequences,
                      std::vector<float>& logits) {
  lay_out(sequences);
  const bool wanted = !rows_.empty();
  if (!wanted) rows_.push_back(0);  // an empty product is refused
  translate<InferenceError>("OpenVINO's inference failed", context_, [&] {
    if (std::exchange(failed_, true)) request_ = model_.create_infer_request();
    request_.set_tensor("input_ids", {ov::element::i64, {1, tokens_.size()}, tokens_.data()});
    request_.set_tensor(kStepInput, {ov::element::u8, {sizeof(step_address_)}, &step_address_});
    request_.set_tensor(kLogitRows, {ov::element::i64, {rows_.size()}, rows_.data()});
    request_.infer();
    const ov::Tensor output = request_.get_tensor("logits");
    const auto* data = output.data<float>();
    logits.assign(data, data + (wanted ? output.get_size() : 0));
  });
  failed_ = false;
}

std::vector<std::shared_ptr<const backend::EncodedSource>> StepDecoder::encode(
    const std::vector<std::span<const int64_t>>& texts) {
  return translate<InferenceError>("OpenVINO cannot read the source texts", context_, [&] {
    const auto states = sources_.read(texts);
    std::vector<std::shared_ptr<const backend::EncodedSource>> result;
    for (size_t text = 0; text < texts.size(); ++text) {
      auto source = std::make_shared<Source>();
      source->packed = pack(states, text, static_cast<int64_t>(texts[text].size()));
      result.push_back(std::move(source));
    }
    return result;
  });
}

}  // namespace mm_orch::openvino
