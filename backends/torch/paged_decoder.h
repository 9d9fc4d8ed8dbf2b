// The decoder of a program over its paged cache.
#pragma once

#include "backend/paged.h"
#include "program.h"

namespace mm_orch::torch_backend {

class PagedDecoder : public backend::PagedRunner {
 public:
  /// @param program         outlives this.
  /// @param kv_cache_bytes  room for keys and values; one context at least.
  PagedDecoder(const Program& program, int num_threads, uint64_t kv_cache_bytes);
  int64_t alike_tokens() const override;

 private:
  void run(std::span<const backend::SequenceStep> sequences, std::vector<float>& logits) override;
  void copy(int32_t from, int32_t to) override { cache_.blocks().copy(from, to); }
  std::vector<std::shared_ptr<const backend::EncodedSource>> encode(
      const std::vector<std::span<const int64_t>>& texts) override;
  void lay_out(std::span<const backend::SequenceStep> sequences);

  const Program& program_;
  const int num_threads_;
  KvCache cache_;
  Frame frame_;
};

}  // namespace mm_orch::torch_backend
