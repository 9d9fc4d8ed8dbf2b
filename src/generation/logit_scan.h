// One pass over the logits of a position: the maximum of each block of kScanBlock
// values, and whether any value is NaN or infinite. The block maxima then answer
// "the largest" and "all above a threshold" without a second pass over everything.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mm_orch::generation {

inline constexpr size_t kScanBlock = 64;

struct LogitScan {
  std::vector<float> block_max;  // [ceil(V / kScanBlock)]
  float max = 0;
  bool finite = true;
};

/// Fills `scan`, reusing its memory. Maxima mean nothing where there are NaNs.
void scan_logits(std::span<const float> logits, LogitScan& scan);

/// The lowest id that has the largest logit.
int64_t first_maximum(std::span<const float> logits, const LogitScan& scan);

}  // namespace mm_orch::generation
