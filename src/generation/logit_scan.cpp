#include "generation/logit_scan.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace mm_orch::generation {

namespace {

constexpr size_t kLanes = 16;
constexpr uint32_t kExponentMask = 0x7f800000u;

// Independent lanes, so that the compiler may vectorise without reordering a reduction.
struct Lanes {
  float max[kLanes];
  uint32_t bad[kLanes] = {};
};

void scan_chunk(const float* values, Lanes& lanes) {
  for (size_t i = 0; i < kLanes; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    lanes.bad[i] |= static_cast<uint32_t>((bits & kExponentMask) == kExponentMask);
    lanes.max[i] = values[i] > lanes.max[i] ? values[i] : lanes.max[i];
  }
}

}  // namespace

void scan_logits(std::span<const float> logits, LogitScan& scan) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  scan.block_max.resize((logits.size() + kScanBlock - 1) / kScanBlock);
  scan.max = kLowest;
  uint32_t bad = 0;
  for (size_t block = 0; block < scan.block_max.size(); ++block) {
    const size_t begin = block * kScanBlock;
    const size_t end = std::min(begin + kScanBlock, logits.size());
    Lanes lanes;
    std::fill_n(lanes.max, kLanes, kLowest);
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) scan_chunk(logits.data() + i, lanes);
    if (i < end) {
      float tail[kLanes];
      std::fill_n(tail, kLanes, logits[i]);
      std::copy(logits.begin() + i, logits.begin() + end, tail);
      scan_chunk(tail, lanes);
    }
    scan.block_max[block] = *std::max_element(lanes.max, lanes.max + kLanes);
    scan.max = std::max(scan.max, scan.block_max[block]);
    for (uint32_t lane : lanes.bad) bad |= lane;
  }
  scan.finite = bad == 0;
}

int64_t first_maximum(std::span<const float> logits, const LogitScan& scan) {
  const auto block = std::find(scan.block_max.begin(), scan.block_max.end(), scan.max);
  const auto begin = logits.begin() + (block - scan.block_max.begin()) * kScanBlock;
  return std::find(begin, logits.end(), scan.max) - logits.begin();
}

}  // namespace mm_orch::generation
