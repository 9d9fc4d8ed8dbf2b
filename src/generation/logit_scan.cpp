#include "generation/logit_scan.h"

#include <algorithm>
#include <limits>

#include "generation/simd.h"

namespace mm_orch::generation {

namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr int32_t kExponentMask = 0x7f800000;

constexpr size_t kStep = 2 * kLanes;  // two chains, so that one does not wait for the other

struct Chain {
  Floats max = {kLowest, kLowest, kLowest, kLowest};
  Bits bad = {};

  void take(const float* values) {
    const Floats value = load(values);
    bad |= (bits_of(value) & kExponentMask) == kExponentMask;
    max = value > max ? value : max;
  }
};

}  // namespace

void scan_logits(std::span<const float> logits, LogitScan& scan) {
  scan.block_max.resize((logits.size() + kScanBlock - 1) / kScanBlock);
  scan.max = kLowest;
  Bits bad = {};
  for (size_t block = 0; block < scan.block_max.size(); ++block) {
    const size_t begin = block * kScanBlock;
    const size_t end = std::min(begin + kScanBlock, logits.size());
    Chain even;
    Chain odd;
    size_t i = begin;
    for (; i + kStep <= end; i += kStep) {
      even.take(&logits[i]);
      odd.take(&logits[i + kLanes]);
    }
    if (i < end) {
      float tail[kStep];
      std::fill_n(tail, kStep, logits[i]);
      std::copy(&logits[i], logits.data() + end, tail);
      even.take(tail);
      odd.take(tail + kLanes);
    }
    bad |= even.bad | odd.bad;
    const Floats max = even.max > odd.max ? even.max : odd.max;
    scan.block_max[block] = std::max(std::max(max[0], max[1]), std::max(max[2], max[3]));
    scan.max = std::max(scan.max, scan.block_max[block]);
  }
  scan.finite = (bad[0] | bad[1] | bad[2] | bad[3]) == 0;
}

int64_t first_maximum(std::span<const float> logits, const LogitScan& scan) {
  const auto block = std::find(scan.block_max.begin(), scan.block_max.end(), scan.max);
  const auto begin = logits.begin() + (block - scan.block_max.begin()) * kScanBlock;
  return std::find(begin, logits.end(), scan.max) - logits.begin();
}

}  // namespace mm_orch::generation
