#include "support/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include "graph/weight_reader.h"

namespace mm_orch::testing {
namespace {

using backend::LogitsOf;
using backend::SessionOptions;
using graph::Graph;
using graph::Node;
using Values = std::vector<double>;  // [B·T, last axis], row-major

struct Weights {
  Graph graph;
  std::vector<std::vector<float>> data;  // per WeightId
};

class ReferenceSession : public backend::Session {
 public:
  ReferenceSession(std::shared_ptr<backend::LoadedModel> owner, const Weights& weights,
                   SessionOptions options)
      : owner_(std::move(owner)), weights_(weights), options_(std::move(options)) {
    if (options_.padding.empty()) options_.padding.assign(static_cast<size_t>(options_.batch), 0);
    keys_.resize(static_cast<size_t>(graph().info.layers * options_.batch));
    values_.resize(keys_.size());
  }

  std::span<const float> step(std::span<const int64_t> tokens, LogitsOf logits_of) override {
    new_tokens_ = static_cast<int64_t>(tokens.size()) / options_.batch;
    check(tokens);
    if (sources_.empty())
      for (const auto& source : options_.sources) sources_.push_back(encode(source, {}));
    new_tokens_ = static_cast<int64_t>(tokens.size()) / options_.batch;
    tokens_ = tokens;
    run_side(graph::Side::kDecoder);
    length_ += new_tokens_;
    return collect_logits(logits_of);
  }

  // Every value of the encoder's side for one text, [E, n].
  std::vector<Values> encode(std::span<const int64_t> tokens, std::span<const int64_t> types) {
    encoding_ = true;
    tokens_ = tokens;
    types_ = types;
    new_tokens_ = static_cast<int64_t>(tokens.size());
    run_side(graph::Side::kEncoder);
    encoding_ = false;
    return results_;
  }

  void reorder(std::span<const int32_t> source) override {
    const auto keys = keys_;
    const auto values = values_;
    for (int64_t layer = 0; layer < graph().info.layers; ++layer)
      for (int64_t b = 0; b < options_.batch; ++b) {
        keys_[slot(layer, b)] = keys[slot(layer, source[static_cast<size_t>(b)])];
        values_[slot(layer, b)] = values[slot(layer, source[static_cast<size_t>(b)])];
      }
    const auto sources = sources_;
    for (size_t b = 0; b < sources.size(); ++b)
      sources_[b] = sources[static_cast<size_t>(source[b])];
  }

  int64_t length() const override { return length_; }

 private:
  const Graph& graph() const { return weights_.graph; }
  size_t slot(int64_t layer, int64_t sequence) const {
    return static_cast<size_t>(layer * options_.batch + sequence);
  }
  void run_side(graph::Side side) {
    results_.assign(graph().last_axis.size(), {});
    for (const Node& node : graph().nodes)
      if (node.side == side) std::visit([&](const auto& op) { run(op, node); }, node.op);
  }
  int64_t rows() const { return (encoding_ ? 1 : options_.batch) * new_tokens_; }
  int64_t width(const Node& node, size_t output = 0) const {
    return graph().last_axis[static_cast<size_t>(node.outputs[output])];
  }
  const Values& in(const Node& node, size_t i) const {
    return results_[static_cast<size_t>(node.inputs[i])];
  }
  Values& out(const Node& node, size_t i = 0) {
    auto& result = results_[static_cast<size_t>(node.outputs[i])];
    result.assign(static_cast<size_t>(rows() * width(node, i)), 0.0);
    return result;
  }
  const std::vector<float>& weight(graph::WeightId id) const {
    return weights_.data[static_cast<size_t>(id)];
  }

  void check(std::span<const int64_t> tokens) const {
    const auto& info = graph().info;
    for (const int64_t id : tokens)
      if (id < 0 || id >= info.vocabulary_size)
        throw InvalidInputError("token id " + std::to_string(id) + " is outside of the vocabulary");
    if (info.context_length > 0 && length_ + new_tokens_ > info.context_length + max_padding())
      throw InvalidInputError("past + new tokens exceed the context");
  }
  int64_t max_padding() const { return std::ranges::max(options_.padding); }

  // Position of row t of sequence b; negative inside of the padding.
  int64_t position(int64_t b, int64_t t) const {
    return length_ + t - options_.padding[static_cast<size_t>(b)];
  }

  void run(const graph::TokenIds&, const Node& node) {
    results_[static_cast<size_t>(node.outputs[0])].assign(tokens_.begin(), tokens_.end());
  }
  void run(const graph::Positions&, const Node& node) {
    Values& result = results_[static_cast<size_t>(node.outputs[0])];
    if (encoding_) {
      for (int64_t t = 0; t < new_tokens_; ++t) result.push_back(static_cast<double>(t));
      return;
    }
    for (int64_t b = 0; b < options_.batch; ++b)
      for (int64_t t = 0; t < new_tokens_; ++t)
        result.push_back(static_cast<double>(std::max<int64_t>(position(b, t), 0)));
  }
  void run(const graph::TokenTypes&, const Node& node) {
    Values& result = results_[static_cast<size_t>(node.outputs[0])];
    result.assign(types_.begin(), types_.end());
    result.resize(static_cast<size_t>(new_tokens_), 0.0);
  }
  void run(const graph::Embedding& op, const Node& node) {
    const auto& ids = in(node, 0);
    Values& result = out(node);
    const auto size = static_cast<size_t>(width(node));
    for (size_t row = 0; row < ids.size(); ++row)
      for (size_t i = 0; i < size; ++i)
        result[row * size + i] = weight(op.weight)[static_cast<size_t>(ids[row]) * size + i];
  }
  void run(const graph::Linear& op, const Node& node) {
    const Values& x = in(node, 0);
    Values& result = out(node);
    const auto outputs = static_cast<size_t>(width(node));
    const auto inputs = x.size() / static_cast<size_t>(rows());
    const auto& matrix = weight(op.weight);
    for (size_t row = 0; row < static_cast<size_t>(rows()); ++row)
      for (size_t o = 0; o < outputs; ++o) {
        double sum = op.bias == graph::kNone ? 0.0 : weight(op.bias)[o];
        for (size_t i = 0; i < inputs; ++i) sum += x[row * inputs + i] * matrix[o * inputs + i];
        result[row * outputs + o] = sum;
      }
  }
  void run(const graph::LayerNorm& op, const Node& node) {
    normalize(node, op.weight, op.bias, op.epsilon, true);
  }
  void run(const graph::RmsNorm& op, const Node& node) {
    normalize(node, op.weight, graph::kNone, op.epsilon, false);
  }
  void normalize(const Node& node, graph::WeightId scale, graph::WeightId bias, double epsilon,
                 bool centered) {
    const Values& x = in(node, 0);
    Values& result = out(node);
    const auto size = static_cast<size_t>(width(node));
    for (size_t start = 0; start < x.size(); start += size) {
      double mean = 0, square = 0;
      if (centered)
        for (size_t i = 0; i < size; ++i) mean += x[start + i] / static_cast<double>(size);
      for (size_t i = 0; i < size; ++i)
        square += (x[start + i] - mean) * (x[start + i] - mean) / static_cast<double>(size);
      const double inverse = 1.0 / std::sqrt(square + epsilon);
      for (size_t i = 0; i < size; ++i)
        result[start + i] = (x[start + i] - mean) * inverse * weight(scale)[i] +
                            (bias == graph::kNone ? 0.0 : weight(bias)[i]);
    }
  }
  void run(const graph::Rope& op, const Node& node) {
    const Values& x = in(node, 0);
    const Values& positions = in(node, 1);
    Values& result = out(node);
    const auto size = static_cast<size_t>(width(node));
    const auto head = static_cast<size_t>(op.head_size), half = head / 2;
    for (size_t start = 0; start < x.size(); start += head)
      for (size_t i = 0; i < half; ++i) {
        const double angle = positions[start / size] * op.inverse_frequencies[i];
        const double c = std::cos(angle) * op.attention_factor;
        const double s = std::sin(angle) * op.attention_factor;
        const double a = x[start + i], b = x[start + half + i];
        result[start + i] = a * c - b * s;
        result[start + half + i] = b * c + a * s;
      }
  }
  void run(const graph::Attention& op, const Node& node) {
    const int64_t kv_width = op.kv_heads * op.head_size;
    for (int64_t b = 0; b < options_.batch; ++b) {
      auto& keys = keys_[slot(op.layer, b)];
      auto& values = values_[slot(op.layer, b)];
      const auto begin = b * new_tokens_ * kv_width, end = begin + new_tokens_ * kv_width;
      keys.insert(keys.end(), in(node, 1).begin() + begin, in(node, 1).begin() + end);
      values.insert(values.end(), in(node, 2).begin() + begin, in(node, 2).begin() + end);
    }
    Values& result = out(node);
    for (int64_t b = 0; b < options_.batch; ++b)
      for (int64_t t = 0; t < new_tokens_; ++t)
        for (int64_t head = 0; head < op.heads; ++head) attend(op, b, t, head, in(node, 0), result);
  }
  void attend(const graph::Attention& op, int64_t b, int64_t t, int64_t head, const Values& q,
              Values& result) {
    const auto& keys = keys_[slot(op.layer, b)];
    const auto& values = values_[slot(op.layer, b)];
    const int64_t kv_width = op.kv_heads * op.head_size;
    const int64_t kv_offset = head / (op.heads / op.kv_heads) * op.head_size;
    const auto row =
        ((b * new_tokens_ + t) * op.heads + head) * op.head_size;  // of q and of the result
    const int64_t last = length_ + t;
    int64_t first = options_.padding[static_cast<size_t>(b)];
    if (op.window > 0) first = std::max(first, last - op.window + 1);
    if (first > last) return;  // padding: left at zero, never read
    Values scores;
    for (int64_t s = first; s <= last; ++s) {
      double dot = 0;
      for (int64_t i = 0; i < op.head_size; ++i)
        dot += q[static_cast<size_t>(row + i)] *
               keys[static_cast<size_t>(s * kv_width + kv_offset + i)];
      scores.push_back(dot * op.scale + bias(op.relative, false, head, s - last));
    }
    to_weights(scores);
    for (int64_t s = first; s <= last; ++s)
      for (int64_t i = 0; i < op.head_size; ++i)
        result[static_cast<size_t>(row + i)] +=
            scores[static_cast<size_t>(s - first)] *
            values[static_cast<size_t>(s * kv_width + kv_offset + i)];
  }
  static void to_weights(Values& scores) {
    const double highest = std::ranges::max(scores);
    double total = 0;
    for (double& score : scores) total += score = std::exp(score - highest);
    for (double& score : scores) score /= total;
  }
  // Raffel et al. 2020, written out: half of the buckets hold one distance each, the others
  // distances up to max_distance in equal steps of their logarithm.
  double bias(const graph::RelativePosition& relative, bool both_ways, int64_t head,
              int64_t distance) const {
    if (relative.table == graph::kNone) return 0;
    const auto& shape = graph().weights[static_cast<size_t>(relative.table)].shape;
    int64_t buckets = shape[0], first = 0;
    if (both_ways) {
      buckets /= 2;
      if (distance > 0) first = buckets;
    } else if (distance > 0) {
      distance = 0;
    }
    distance = std::abs(distance);
    const int64_t exact = buckets / 2;
    int64_t bucket = distance;
    if (distance >= exact) {
      const double share = std::log(static_cast<double>(distance) / exact) /
                           std::log(static_cast<double>(relative.max_distance) / exact);
      bucket = std::min(buckets - 1, exact + static_cast<int64_t>(share * (buckets - exact)));
    }
    return weight(relative.table)[static_cast<size_t>((first + bucket) * shape[1] + head)];
  }
  // Each row of q [rows, N·D] over all of k and v.
  void attend_all(int64_t heads, int64_t head_size, double scale, const Values& k, const Values& v,
                  const double* q, double* result, int64_t query,
                  const graph::RelativePosition& relative) const {
    const int64_t width = heads * head_size;
    const auto keys = static_cast<int64_t>(k.size()) / width;
    for (int64_t head = 0; head < heads; ++head) {
      Values scores;
      for (int64_t s = 0; s < keys; ++s) {
        double dot = 0;
        for (int64_t i = head * head_size; i < (head + 1) * head_size; ++i)
          dot += q[i] * k[static_cast<size_t>(s * width + i)];
        scores.push_back(dot * scale + bias(relative, true, head, s - query));
      }
      to_weights(scores);
      for (int64_t s = 0; s < keys; ++s)
        for (int64_t i = head * head_size; i < (head + 1) * head_size; ++i)
          result[i] += scores[static_cast<size_t>(s)] * v[static_cast<size_t>(s * width + i)];
    }
  }
  void run(const graph::EncoderAttention& op, const Node& node) {
    Values& result = out(node);
    const int64_t width = op.heads * op.head_size;
    for (int64_t t = 0; t < new_tokens_; ++t)
      attend_all(op.heads, op.head_size, op.scale, in(node, 1), in(node, 2),
                 &in(node, 0)[static_cast<size_t>(t * width)],
                 &result[static_cast<size_t>(t * width)], t, op.relative);
  }
  void run(const graph::CrossAttention& op, const Node& node) {
    Values& result = out(node);
    const int64_t width = op.heads * op.head_size;
    for (int64_t row = 0; row < rows(); ++row) {
      const auto& source = sources_[static_cast<size_t>(row / new_tokens_)];
      attend_all(op.heads, op.head_size, op.scale, source[static_cast<size_t>(node.inputs[1])],
                 source[static_cast<size_t>(node.inputs[2])],
                 &in(node, 0)[static_cast<size_t>(row * width)],
                 &result[static_cast<size_t>(row * width)], 0, {});
    }
  }
  void run(const graph::Split& op, const Node& node) {
    const Values& x = in(node, 0);
    const auto size = x.size() / static_cast<size_t>(rows());
    size_t offset = 0;
    for (size_t i = 0; i < op.sizes.size(); ++i) {
      Values& result = out(node, i);
      const auto part = static_cast<size_t>(op.sizes[i]);
      for (size_t row = 0; row < static_cast<size_t>(rows()); ++row)
        std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(row * size + offset), part,
                    result.begin() + static_cast<std::ptrdiff_t>(row * part));
      offset += part;
    }
  }
  template <class Function>
  void elementwise(const Node& node, Function function) {
    Values& result = out(node);
    for (size_t i = 0; i < result.size(); ++i) result[i] = function(i);
  }
  void run(const graph::Add&, const Node& node) {
    elementwise(node, [&](size_t i) { return in(node, 0)[i] + in(node, 1)[i]; });
  }
  void run(const graph::Multiply&, const Node& node) {
    elementwise(node, [&](size_t i) { return in(node, 0)[i] * in(node, 1)[i]; });
  }
  void run(const graph::Silu&, const Node& node) {
    elementwise(node, [&](size_t i) { return in(node, 0)[i] / (1.0 + std::exp(-in(node, 0)[i])); });
  }
  void run(const graph::Relu&, const Node& node) {
    elementwise(node, [&](size_t i) { return std::max(in(node, 0)[i], 0.0); });
  }
  void run(const graph::Tanh&, const Node& node) {
    elementwise(node, [&](size_t i) { return std::tanh(in(node, 0)[i]); });
  }
  void run(const graph::Scale& op, const Node& node) {
    elementwise(node, [&](size_t i) { return op.factor * in(node, 0)[i]; });
  }
  void run(const graph::Gelu& op, const Node& node) {
    elementwise(node, [&](size_t i) {
      const double x = in(node, 0)[i];
      if (!op.tanh_approximation) return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2));
      return 0.5 * x *
             (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    });
  }

  std::span<const float> collect_logits(LogitsOf logits_of) {
    const Values& all = results_[static_cast<size_t>(graph().logits)];
    const auto vocabulary = static_cast<size_t>(graph().info.vocabulary_size);
    logits_.clear();
    for (int64_t b = 0; b < options_.batch; ++b)
      for (int64_t t = logits_of == LogitsOf::kLastToken ? new_tokens_ - 1 : 0; t < new_tokens_;
           ++t) {
        const auto begin = all.begin() + (b * new_tokens_ + t) * static_cast<int64_t>(vocabulary);
        logits_.insert(logits_.end(), begin, begin + static_cast<int64_t>(vocabulary));
      }
    return logits_;
  }

  std::shared_ptr<backend::LoadedModel> owner_;
  const Weights& weights_;
  SessionOptions options_;
  std::vector<Values> keys_, values_;         // per layer and sequence: [S, K·D]
  std::vector<Values> results_;               // per ValueId
  std::vector<std::vector<Values>> sources_;  // per sequence: its encoder's values
  std::span<const int64_t> tokens_, types_;
  bool encoding_ = false;
  std::vector<float> logits_;
  int64_t new_tokens_ = 0;
  int64_t length_ = 0;
};

class ReferenceModel : public backend::LoadedModel {
 public:
  explicit ReferenceModel(const Graph& graph) : weights_{graph, {}} {
    for (const auto& weight : graph.weights) {
      std::vector<float> data(
          static_cast<size_t>(graph::row_count(weight) * graph::column_count(weight)));
      graph::read_rows(weight, 0, graph::row_count(weight), data);
      weights_.data.push_back(std::move(data));
    }
  }
  std::unique_ptr<backend::Session> new_session(const SessionOptions& options) override {
    return std::make_unique<ReferenceSession>(shared_from_this(), weights_, options);
  }
  backend::EncoderOutput encode(const backend::EncoderInput& input) override {
    const auto& graph = weights_.graph;
    if (graph.info.kind != graph::ModelKind::kEncoder) return LoadedModel::encode(input);
    ReferenceSession session(shared_from_this(), weights_, {});
    backend::EncoderOutput output;
    for (size_t i = 0; i < input.tokens.size(); ++i) {
      const auto values = session.encode(
          input.tokens[i], input.types.empty() ? std::span<const int64_t>() : input.types[i]);
      const auto& hidden = values[static_cast<size_t>(graph.hidden)];
      output.hidden.insert(output.hidden.end(), hidden.begin(), hidden.end());
      if (graph.class_logits == graph::kNone) continue;
      const auto& logits = values[static_cast<size_t>(graph.class_logits)];
      const auto count = graph.last_axis[static_cast<size_t>(graph.class_logits)];
      output.class_logits.insert(output.class_logits.end(), logits.begin(), logits.begin() + count);
    }
    return output;
  }
  std::string device() const override { return "cpu"; }
  std::string precision() const override { return "FP32"; }
  uint64_t memory_bytes() const override {
    uint64_t bytes = 0;
    for (const auto& data : weights_.data) bytes += data.size() * sizeof(float);
    return bytes;
  }

 private:
  Weights weights_;
};

class ReferenceBackend : public backend::Backend {
 public:
  explicit ReferenceBackend(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::string sdk_version() const override { return "reference"; }
  std::vector<backend::DeviceInfo> devices() const override { return {{"cpu", "reference"}}; }
  std::shared_ptr<backend::LoadedModel> load(const Graph& graph,
                                             const backend::LoadOptions&) override {
    return std::make_shared<ReferenceModel>(graph);
  }
  bool uses_artifacts() const override { return false; }
  void export_artifact(const Graph&, const std::filesystem::path&,
                       const backend::ExportOptions&) override {
    throw BackendError("The reference backend exports nothing");
  }
  std::unique_ptr<backend::Artifact> open_artifact(const std::filesystem::path&) override {
    throw BackendError("The reference backend opens no artifacts");
  }

 private:
  std::string name_;
};

}  // namespace

std::unique_ptr<backend::Backend> make_reference_backend(const std::string& name) {
  return std::make_unique<ReferenceBackend>(name);
}

}  // namespace mm_orch::testing
