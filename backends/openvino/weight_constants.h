// A graph's weights as OpenVINO constants in the precision asked for. Each weight is
// read when it is first asked for, and shared by all who ask: a tied vocabulary
// projection and its embedding are one constant.
#pragma once

#include <memory>
#include <openvino/core/node_output.hpp>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "backend/backend.h"
#include "graph/graph.h"
#include "quantization.h"
#include "scratch_file.h"

namespace mm_orch::openvino {

class WeightConstants {
 public:
  /// @param graph     outlives this object, not the constants: those keep the files mapped.
  /// @param progress  called after each weight; may be empty.
  /// @param scratch   holds what is converted; null: the heap does.
  WeightConstants(const graph::Graph& graph, backend::Precision precision,
                  backend::Progress progress, std::shared_ptr<ScratchFile> scratch);

  struct Matrix {
    ov::Output<ov::Node> value;  // f32 [out, in]; [in, out] if transposed
    bool transposed;
    int64_t sum_columns = 0;  // more columns, for sums of groups of 32 inputs (four_bits.h)
  };
  /// A projection's matrix or an embedding's table.
  Matrix matrix(graph::WeightId id);
  /// A bias or norm weight: always f32 [n].
  ov::Output<ov::Node> vector(graph::WeightId id);
  /// The bias of a table of relative positions by distance: f32 [2·max_distance + 1, N].
  ov::Output<ov::Node> relative_bias(const graph::RelativePosition& relative, bool bidirectional);

 private:
  const graph::Weight& weight(graph::WeightId id) const;
  ov::Output<ov::Node> float_constant(const graph::Weight& weight) const;
  ov::Output<ov::Node> half_constant(const graph::Weight& weight) const;
  ov::Output<ov::Node> quantized_constant(const graph::Weight& weight) const;
  void sort_by_bits();
  Matrix four_bit_matrix(graph::WeightId id) const;
  bool takes_four_bits(graph::WeightId id) const;
  Matrix make_matrix(graph::WeightId id) const;
  void finished(const graph::Weight& weight);

  const graph::Graph& graph_;
  std::unordered_set<graph::WeightId> four_bits_;   // in INT4: those whose values are of 4 bits
  std::unordered_set<graph::WeightId> eight_bits_;  // in INT4: those that stay in 8
  backend::Precision precision_;
  backend::Progress progress_;
  std::shared_ptr<ScratchFile> scratch_;
  MakeTensor make_ = heap_tensor;
  std::unordered_map<graph::WeightId, Matrix> made_;
};

}  // namespace mm_orch::openvino
