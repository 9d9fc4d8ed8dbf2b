// The conformance cases: each operation in the smallest graph that shows it, with
// its tolerance as data. Run on every backend (conformance_test.cpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace mm_orch::testing {

struct ConformanceCase {
  std::string name;
  std::function<graph::Graph()> make_graph;
  /// Largest |difference| divided by the largest |reference logit|.
  double tolerance;
  int64_t batch = 2;
  std::vector<int64_t> padding = {};        // [B]
  std::vector<int64_t> chunks = {7, 1, 1};  // tokens fed at each step
};

std::vector<ConformanceCase> conformance_cases();

}  // namespace mm_orch::testing
