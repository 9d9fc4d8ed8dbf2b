#include "weights/stored_model.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "mm_orch/errors.h"
#include "weights/checked_json.h"

namespace mm_orch::weights {
namespace {

// Of a large tensor, so many evenly spaced samples are hashed; a smaller one whole.
constexpr size_t kSamples = 16;
constexpr size_t kSampleBytes = 4096;

class Hash {
 public:
  Hash() { XXH3_64bits_reset(&state_); }
  void add(const void* data, size_t size) { XXH3_64bits_update(&state_, data, size); }
  void add(uint64_t number) { add(&number, sizeof number); }
  void add(std::string_view text) {
    add(text.size());
    add(text.data(), text.size());
  }
  std::string digits() const { return fmt::format("{:016x}", XXH3_64bits_digest(&state_)); }

 private:
  XXH3_state_t state_;
};

void add_samples(Hash& hash, std::span<const std::byte> data) {
  if (data.size() <= kSamples * kSampleBytes) {
    hash.add(data.data(), data.size());
    return;
  }
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t last_start = data.size() - kSampleBytes;
    hash.add(data.data() + last_start / (kSamples - 1) * i, kSampleBytes);
  }
}

}  // namespace

void StoredModel::set_tensors(std::vector<Tensor> list) {
  tensors_ = std::move(list);
  std::sort(tensors_.begin(), tensors_.end(),
            [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(tensors_.begin(), tensors_.end(),
                         [](const Tensor& a, const Tensor& b) { return a.name == b.name; });
  if (twice != tensors_.end())
    throw FileValidationError(
        fmt::format("{}: two tensors are named {}", location.string(), shown(twice->name)),
        {.path = location.string()});
}

const Tensor* StoredModel::find(const std::string& name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const Tensor& tensor, const std::string& n) { return tensor.name < n; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

std::vector<std::string> StoredModel::tensor_names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

std::string StoredModel::fingerprint() const {
  Hash hash;
  hash.add(config_json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  hash.add(file_bytes);
  for (const auto& tensor : tensors_) {
    hash.add(tensor.name);
    hash.add(dtype_info(tensor.dtype).name);
    hash.add(tensor.shape.size());
    for (const auto length : tensor.shape) hash.add(static_cast<uint64_t>(length));
    add_samples(hash, tensor.data);
  }
  return hash.digits();
}

}  // namespace mm_orch::weights
