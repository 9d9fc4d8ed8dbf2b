#include "session.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "last_position.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {

OpenVinoSession::OpenVinoSession(OpenVinoModel& model,
                                 std::shared_ptr<const backend::LoadedModel> owner,
                                 const backend::SessionOptions& options)
    : model_(model),
      owner_(std::move(owner)),
      batch_(options.batch),
      padding_(options.padding),
      has_mask_(has_input(model.requests().model(), "attention_mask")),
      has_positions_(has_input(model.requests().model(), "position_ids")),
      has_beams_(has_input(model.requests().model(), "beam_idx")),
      has_cut_(has_input(model.requests().model(), kFirstPosition)),
      sources_(backend::unique_sources(options.sources)) {
  backend::check_session_options(options, model.info());
  if (padding_.empty()) padding_.resize(static_cast<size_t>(batch_), 0);
  beams_.resize(static_cast<size_t>(batch_));
  std::iota(beams_.begin(), beams_.end(), 0);
  request_ = translate<InferenceError>("OpenVINO cannot make an inference request", model.context(),
                                       [&] { return model.requests().acquire(); });
}

OpenVinoSession::~OpenVinoSession() {
  if (!failed_) model_.requests().release(std::move(request_));
}

int64_t OpenVinoSession::check_tokens(std::span<const int64_t> tokens) const {
  const auto& info = model_.info();
  const auto size = static_cast<int64_t>(tokens.size());
  if (size == 0 || size % batch_ != 0)
    throw InvalidInputError(
        fmt::format("{} tokens cannot be shared evenly among {} sequences; each needs one or more",
                    size, batch_));
  for (const int64_t id : tokens)
    if (id < 0 || id >= info.vocabulary_size)
      throw InvalidInputError(
          fmt::format("Token id {} is outside the vocabulary [0, {})", id, info.vocabulary_size));
  const int64_t count = size / batch_;
  const int64_t least_padding = *std::min_element(padding_.begin(), padding_.end());
  if (info.context_length > 0 && length_ + count - least_padding > info.context_length)
    throw InvalidInputError(fmt::format("{} tokens after {} exceed the context of {} tokens", count,
                                        length_ - least_padding, info.context_length));
  return count;
}

void OpenVinoSession::set_inputs(std::span<const int64_t> tokens, int64_t count,
                                 backend::LogitsOf logits_of) {
  const auto batch = static_cast<size_t>(batch_);
  const auto fed = static_cast<size_t>(count);
  const auto total = static_cast<size_t>(length_ + count);
  tokens_.assign(tokens.begin(), tokens.end());
  request_.set_tensor("input_ids", {ov::element::i64, {batch, fed}, tokens_.data()});
  if (has_mask_) {
    mask_.assign(batch * total, 1);
    for (size_t b = 0; b < batch; ++b)
      std::fill_n(mask_.begin() + static_cast<int64_t>(b * total),
                  std::min<int64_t>(padding_[b], static_cast<int64_t>(total)), 0);
    request_.set_tensor("attention_mask", {ov::element::i64, {batch, total}, mask_.data()});
  }
  if (has_positions_) {
    positions_.resize(batch * fed);
    for (size_t b = 0; b < batch; ++b)
      for (int64_t t = 0; t < count; ++t)
        positions_[b * fed + static_cast<size_t>(t)] =
            std::max<int64_t>(0, length_ + t - padding_[b]);
    request_.set_tensor("position_ids", {ov::element::i64, {batch, fed}, positions_.data()});
  }
  if (has_beams_) request_.set_tensor("beam_idx", {ov::element::i32, {batch}, beams_.data()});
  if (has_cut_) {
    first_position_ = logits_of == backend::LogitsOf::kLastToken ? -1 : 0;
    request_.set_tensor(kFirstPosition, {ov::element::i64, {1}, &first_position_});
  }
}

// Read at the first step; spread anew when sequences have changed places.
void OpenVinoSession::set_sources() {
  if (!model_.sources() || !spread_.empty()) return;
  if (texts_.empty()) texts_ = model_.sources()->read(sources_.texts);
  spread_ = spread(texts_, sources_.index);
  const auto& names = model_.sources()->names();
  for (size_t i = 0; i < names.size(); ++i) request_.set_tensor(names[i], spread_[i]);
}

std::span<const float> OpenVinoSession::logits(int64_t count, backend::LogitsOf logits_of) {
  const ov::Tensor output = request_.get_tensor("logits");
  const std::span all(output.data<float>(), output.get_size());
  if (has_cut_ || count == 1 || logits_of == backend::LogitsOf::kAllTokens) return all;
  const size_t width = all.size() / static_cast<size_t>(batch_ * count);
  last_.clear();
  for (int64_t b = 0; b < batch_; ++b) {
    const auto row = all.subspan(static_cast<size_t>((b + 1) * count - 1) * width, width);
    last_.insert(last_.end(), row.begin(), row.end());
  }
  return last_;
}

std::span<const float> OpenVinoSession::step(std::span<const int64_t> tokens,
                                             backend::LogitsOf logits_of) {
  const int64_t count = check_tokens(tokens);
  failed_ = true;
  const auto result =
      translate<InferenceError>("OpenVINO's inference failed", model_.context(), [&] {
        set_sources();
        set_inputs(tokens, count, logits_of);
        request_.infer();
        return logits(count, logits_of);
      });
  failed_ = false;
  length_ += count;
  std::iota(beams_.begin(), beams_.end(), 0);
  return result;
}

void OpenVinoSession::reorder(std::span<const int32_t> source) {
  if (static_cast<int64_t>(source.size()) != batch_)
    throw InvalidInputError(
        fmt::format("reorder got {} entries for {} sequences", source.size(), batch_));
  std::vector<int32_t> beams(source.size());
  std::vector<int64_t> padding(source.size());
  for (size_t b = 0; b < source.size(); ++b) {
    if (source[b] < 0 || source[b] >= batch_)
      throw InvalidInputError(
          fmt::format("reorder names sequence {}; allowed are [0, {})", source[b], batch_));
    beams[b] = beams_[static_cast<size_t>(source[b])];
    padding[b] = padding_[static_cast<size_t>(source[b])];
  }
  if (!has_beams_ && !std::is_sorted(source.begin(), source.end(), std::less_equal<>()))
    throw InferenceError("The model has no input 'beam_idx', so its sequences cannot be reordered",
                         model_.context());
  if (!sources_.index.empty()) {
    std::vector<int32_t> index;
    for (const int32_t b : source) index.push_back(sources_.index[static_cast<size_t>(b)]);
    if (index != sources_.index) spread_.clear();
    sources_.index = std::move(index);
  }
  beams_ = std::move(beams);
  padding_ = std::move(padding);
}

}  // namespace mm_orch::openvino
