#include "exporter/decoder_reference.h"

#include <limits>

#include "backend/plugin.h"
#include "exporter/fidelity_figures.h"
#include "exporter/fidelity_prompts.h"
#include "exporter/memory_need.h"
#include "mm_orch/errors.h"

namespace mm_orch::exporter {
namespace {

void require_memory(const graph::Graph& graph) {
  uint64_t needed = 0;
  for (const auto& weight : graph.weights)
    for (const auto& part : weight.parts) needed += part.data.size();
  if (const auto lacking = lacking_memory(needed))
    throw OutOfMemoryError("The comparison with PyTorch needs " + *lacking);
}

}  // namespace

DecoderPrompts::DecoderPrompts(const weights::ModelSource& source, const graph::ModelInfo& info)
    : is_source_(info.kind == graph::ModelKind::kEncoderDecoder),
      prompts_(fidelity_prompts(source, info)),
      fed_(prompts_),
      length_(static_cast<int64_t>(prompts_.front().size())) {
  if (!is_source_) return;
  for (auto& prompt : fed_) {
    prompt.insert(prompt.begin(), info.decoder_start_token);
    prompt.pop_back();
  }
}

backend::SessionOptions DecoderPrompts::session_options() const {
  backend::SessionOptions options{.batch = static_cast<int64_t>(prompts_.size()),
                                  .padding = {},
                                  .capacity = length_,
                                  .sources = {}};
  if (is_source_) options.sources.assign(prompts_.begin(), prompts_.end());
  return options;
}

std::vector<int64_t> DecoderPrompts::tokens_at(int64_t position) const {
  std::vector<int64_t> tokens;
  for (const auto& prompt : fed_) tokens.push_back(prompt[static_cast<size_t>(position)]);
  return tokens;
}

DecoderReference::DecoderReference(const weights::ModelSource& source, const graph::Graph& graph)
    : prompts_(source, graph.info), vocabulary_(static_cast<size_t>(graph.info.vocabulary_size)) {
  require_memory(graph);
  const auto model =
      backend::get_backend("pytorch").load(graph, {.device = "cpu", .inference_precision = "f32"});
  const auto session = model->new_session(prompts_.session_options());
  for (int64_t position = 0; position < prompts_.length(); ++position) {
    const auto logits = session->step(prompts_.tokens_at(position), backend::LogitsOf::kLastToken);
    logits_.emplace_back(logits.begin(), logits.end());
  }
}

double DecoderReference::mean_kl(backend::LoadedModel& model) const {
  const auto session = model.new_session(prompts_.session_options());
  FidelityMeter meter;
  for (int64_t position = 0; position < prompts_.length(); ++position) {
    const auto logits = session->step(prompts_.tokens_at(position), backend::LogitsOf::kLastToken);
    const std::span<const float> expected = logits_[static_cast<size_t>(position)];
    for (size_t b = 0; b < prompts_.count(); ++b)
      if (!meter.add(position, expected.subspan(b * vocabulary_, vocabulary_),
                     logits.subspan(b * vocabulary_, vocabulary_)))
        return std::numeric_limits<double>::infinity();
  }
  return meter.figures().mean_kl;
}

}  // namespace mm_orch::exporter
