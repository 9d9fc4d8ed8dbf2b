#include "session.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "backend/inputs.h"
#include "guard.h"

namespace mm_orch::torch_backend {
namespace {

constexpr int64_t kFirstCapacity = 256;  // tokens, if the session's length is not known

// The number of threads belongs to the calling thread and, in torch, to the process: set only if
// the model asks for another than is in force.
void use_threads(int count) {
  if (count > 0 && at::get_num_threads() != count) at::set_num_threads(count);
}

int64_t first_capacity(const backend::SessionOptions& options, const Program& program) {
  const int64_t wanted = options.capacity > 0 ? options.capacity : kFirstCapacity;
  return std::min(wanted, program.context_length());
}

std::vector<int64_t> padding_of(const backend::SessionOptions& options) {
  if (!options.padding.empty()) return options.padding;
  return std::vector<int64_t>(static_cast<size_t>(options.batch), 0);
}

class TorchSession : public backend::Session {
 public:
  TorchSession(std::shared_ptr<const TorchModel> model, const backend::SessionOptions& options)
      : model_(std::move(model)),
        frame_(KvCache(program().cache_shapes(), options.batch, first_capacity(options, program())),
               padding_of(options)) {
    auto unique = backend::unique_sources(options.sources);
    sources_.tokens = std::move(unique.texts);
    frame_.source_of = std::move(unique.index);
  }

  std::span<const float> step(std::span<const int64_t> tokens,
                              backend::LogitsOf logits_of) override {
    check(tokens);
    return guarded<InferenceError>("run a step", [&] {
      const c10::InferenceMode inference_mode;
      use_threads(model_->num_threads());
      if (!frame_.source && !sources_.tokens.empty())
        frame_.source = program().read_sources(sources_);
      prepare(tokens);
      program().run(frame_, logits_of);
      frame_.past += frame_.tokens;  // last, so that a step that failed can be tried again
      return std::span<const float>(frame_.logits);
    });
  }

  void reorder(std::span<const int32_t> source) override {
    const int64_t batch = frame_.batch();
    if (static_cast<int64_t>(source.size()) != batch)
      throw InvalidInputError(
          fmt::format("reorder got {} sequences, but the batch is {}", source.size(), batch),
          error_context());
    for (const int32_t index : source)
      if (index < 0 || index >= batch)
        throw InvalidInputError(
            fmt::format("reorder from sequence {}; allowed are 0 to {}", index, batch - 1),
            error_context());
    guarded<InferenceError>("reorder the cache", [&] {
      const c10::InferenceMode inference_mode;
      std::vector<int64_t> padding;
      std::vector<int32_t> source_of;
      for (const int32_t index : source) {
        padding.push_back(frame_.padding[index]);
        if (!frame_.source_of.empty()) source_of.push_back(frame_.source_of[index]);
      }
      frame_.cache.reorder(source, frame_.past);
      frame_.padding = std::move(padding);
      frame_.source_of = std::move(source_of);
    });
  }

  int64_t length() const override { return frame_.past; }

 private:
  const Program& program() const { return model_->program(); }

  void check(std::span<const int64_t> tokens) const {
    const int64_t batch = frame_.batch();
    const auto count = static_cast<int64_t>(tokens.size());
    if (count == 0 || count % batch != 0)
      throw InvalidInputError(
          fmt::format("A step got {} token ids; it needs a multiple of the batch, {}, and at least "
                      "one for each sequence",
                      count, batch),
          error_context());
    const int64_t length = frame_.past + count / batch;
    if (length > program().context_length())
      throw InvalidInputError(
          fmt::format("The sequence would be {} tokens long, but the model's context is {} tokens; "
                      "shorten the prompt or ask for fewer new tokens",
                      length, program().context_length()),
          error_context());
    for (const int64_t id : tokens)
      if (id < 0 || id >= program().vocabulary_size())
        throw InvalidInputError(
            fmt::format("Token id {} is outside the vocabulary; allowed are 0 to {}", id,
                        program().vocabulary_size() - 1),
            error_context());
  }

  void prepare(std::span<const int64_t> tokens) {
    const int64_t batch = frame_.batch();
    frame_.ids = tokens;
    frame_.tokens = static_cast<int64_t>(tokens.size()) / batch;
    frame_.mask.reset();
    frame_.cache.reserve(frame_.past + frame_.tokens, frame_.past);
    frame_.positions.resize(tokens.size());
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t t = 0; t < frame_.tokens; ++t)
        frame_.positions[b * frame_.tokens + t] =
            std::max<int64_t>(0, frame_.past + t - frame_.padding[b]);
  }

  std::shared_ptr<const TorchModel> model_;
  backend::EncoderInput sources_;  // distinct ones
  Frame frame_;
};

}  // namespace

TorchModel::TorchModel(const graph::Graph& graph, Precision precision, int num_threads)
    : program_(graph, precision), precision_(precision), num_threads_(num_threads) {}

std::unique_ptr<backend::Session> TorchModel::new_session(const backend::SessionOptions& options) {
  backend::check_session_options(options, program_.info());
  return guarded<InferenceError>("open a session", [&] {
    const c10::InferenceMode inference_mode;
    auto self = std::static_pointer_cast<const TorchModel>(shared_from_this());
    return std::make_unique<TorchSession>(std::move(self), options);
  });
}

backend::EncoderOutput TorchModel::encode(const backend::EncoderInput& input) {
  if (program_.info().kind != graph::ModelKind::kEncoder) return LoadedModel::encode(input);
  backend::check_encoder_input(input, program_.info());
  return guarded<InferenceError>("encode the texts", [&] {
    const c10::InferenceMode inference_mode;
    use_threads(num_threads_);
    return program_.encode(input);
  });
}

}  // namespace mm_orch::torch_backend
