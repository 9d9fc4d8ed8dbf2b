#include "weights/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "mm_orch/errors.h"
#include "weights/checked_json.h"

namespace mm_orch::weights {
namespace {

static_assert(std::endian::native == std::endian::little);

using nlohmann::json;

constexpr uint64_t kMaximumAxes = 4;  // GGML_MAX_DIMS
constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaximumAlignment = 1 << 16;
// Sixteen times what the largest vocabularies need; bounds the memory that small bytes in a large
// file can claim.
constexpr uint64_t kMaximumMetadataElements = uint64_t{1} << 24;
constexpr uint64_t kMinimumKeyValueBytes = 8 + 4 + 1;
constexpr uint64_t kMinimumTensorInfoBytes = 8 + 4 + 4 + 8;

enum ValueType : uint32_t {
  kUint8 = 0,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBoolean,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

struct TensorType {
  std::string_view name;
  std::optional<DType> dtype;  // none: ggml has it, we do not read it
};

// By ggml's type number; an empty name where ggml has none.
TensorType tensor_type(uint32_t number) {
  static constexpr std::string_view kNames[] = {
      "F32",     "F16",    "Q4_0",    "Q4_1",  "",       "",      "Q5_0",  "Q5_1",
      "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
      "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
      "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16",  "",
      "",        "",       "TQ1_0",   "TQ2_0", "",       "",      "",      "MXFP4",
  };
  if (number >= std::size(kNames)) return {};
  const auto name = kNames[number];
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI64, DType::kI32, DType::kI16,
        DType::kI8, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
        DType::kQ4_K, DType::kQ5_K, DType::kQ6_K})
    if (dtype_info(dtype).name == name) return {name, dtype};
  return {name, std::nullopt};
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
         const std::filesystem::path& path)
      : bytes_(bytes), owner_(owner), path_(path) {}

  GgufFile read() {
    check_magic();
    const auto tensor_count = next<uint64_t>("the number of tensors");
    const auto key_count = next<uint64_t>("the number of metadata keys");
    check_count(key_count, kMinimumKeyValueBytes, "metadata keys");
    file_.metadata = json::object();
    for (uint64_t i = 0; i < key_count; ++i) read_key_value();
    check_split();
    const auto alignment = read_alignment();

    check_count(tensor_count, kMinimumTensorInfoBytes, "tensors");
    std::vector<uint64_t> offsets;
    offsets.reserve(tensor_count);
    file_.tensors.reserve(tensor_count);
    for (uint64_t i = 0; i < tensor_count; ++i) offsets.push_back(read_tensor_info());
    place_tensors(offsets, alignment);
    return std::move(file_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FileValidationError(fmt::format("{}: {}", path_.string(), what),
                              {.path = path_.string()});
  }
  [[noreturn]] void fail_unsupported(const std::string& what) const {
    throw UnsupportedModelError(fmt::format("{}: {}", path_.string(), what),
                                {.path = path_.string()});
  }

  uint64_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(uint64_t count, std::string_view what) {
    if (count > remaining())
      fail(fmt::format("{} needs {} bytes at byte {}, the file has {}; it is truncated or damaged",
                       what, count, position_, bytes_.size()));
    const auto result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }

  template <class T>
  T next(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }

  std::string_view next_string(std::string_view what) {
    const auto size = next<uint64_t>(what);
    const auto text = take(size, what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  // A count is believed only if the file could hold so many items.
  void check_count(uint64_t count, uint64_t minimum_bytes, std::string_view what) const {
    if (count > remaining() / minimum_bytes)
      fail(
          fmt::format("{} {} are claimed but only {} bytes follow; the file is truncated or "
                      "damaged",
                      count, what, remaining()));
  }

  void check_magic() {
    const auto magic = take(4, "the magic number");
    if (std::memcmp(magic.data(), "GGUF", 4) != 0)
      fail("no GGUF file (it does not start with \"GGUF\")");
    const auto version = next<uint32_t>("the version");
    if (version == __builtin_bswap32(2) || version == __builtin_bswap32(3))
      fail_unsupported("a big-endian GGUF file; only little-endian ones are read");
    if (version == 1) fail_unsupported("GGUF version 1; versions 2 and 3 are read, convert it");
    if (version != 2 && version != 3)
      fail(fmt::format("GGUF version {}; versions 2 and 3 are read", version));
  }

  void read_key_value() {
    const auto key = next_string("a metadata key");
    const auto type = next<uint32_t>("the type of a metadata value");
    auto value = read_value(key, type);
    if (!file_.metadata.emplace(key, std::move(value)).second)
      fail(fmt::format("metadata key {} occurs twice", shown(key)));
  }

  json read_value(std::string_view key, uint32_t type) {
    constexpr std::string_view kWhat = "a metadata value";
    switch (type) {
      case kUint8:
        return next<uint8_t>(kWhat);
      case kInt8:
        return next<int8_t>(kWhat);
      case kUint16:
        return next<uint16_t>(kWhat);
      case kInt16:
        return next<int16_t>(kWhat);
      case kUint32:
        return next<uint32_t>(kWhat);
      case kInt32:
        return next<int32_t>(kWhat);
      case kFloat32:
        return next<float>(kWhat);
      case kBoolean:
        return next<uint8_t>(kWhat) != 0;
      case kString:
        return next_string(kWhat);
      case kArray:
        return read_array(key);
      case kUint64:
        return next<uint64_t>(kWhat);
      case kInt64:
        return next<int64_t>(kWhat);
      case kFloat64:
        return next<double>(kWhat);
      default:
        fail(fmt::format("metadata key {} has the type {}; 0 to 12 are known", shown(key), type));
    }
  }

  json read_array(std::string_view key) {
    const auto type = next<uint32_t>("the type of a metadata array");
    const auto count = next<uint64_t>("the length of a metadata array");
    if (type == kArray)
      fail(fmt::format("metadata key {} is an array of arrays; none is known to be", shown(key)));
    check_count(count, type == kString ? 8 : 1, "array elements");
    metadata_elements_ += count;
    if (metadata_elements_ > kMaximumMetadataElements)
      fail(fmt::format("the metadata arrays have more than {} elements", kMaximumMetadataElements));
    json::array_t values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) values.push_back(read_value(key, type));
    return values;
  }

  void check_split() const {
    const auto split = file_.metadata.find("split.count");
    if (split != file_.metadata.end() && split->is_number_integer() && *split > 1)
      fail_unsupported(
          "one of several files of a split model; join them first with "
          "llama-gguf-split --merge");
  }

  uint64_t read_alignment() const {
    const auto entry = file_.metadata.find("general.alignment");
    if (entry == file_.metadata.end()) return kDefaultAlignment;
    if (!entry->is_number_unsigned() || !std::has_single_bit(entry->get<uint64_t>()) ||
        entry->get<uint64_t>() > kMaximumAlignment)
      fail(fmt::format("general.alignment is no power of two up to {}", kMaximumAlignment));
    return entry->get<uint64_t>();
  }

  // Adds a tensor without data yet; returns its offset.
  uint64_t read_tensor_info() {
    Tensor tensor;
    tensor.name = next_string("a tensor's name");
    tensor.owner = owner_;
    if (!names_.insert(tensor.name).second)
      fail(fmt::format("tensor {} occurs twice", shown(tensor.name)));
    const auto axes = next<uint32_t>("a tensor's number of axes");
    if (axes > kMaximumAxes)
      fail(fmt::format("tensor {} has {} axes, at most {} are allowed", shown(tensor.name), axes,
                       kMaximumAxes));
    uint64_t elements = 1;  // lengths of 0 left out, so that no partial product overflows
    for (uint32_t axis = 0; axis < axes; ++axis) {
      const auto length = next<uint64_t>("a tensor's shape");
      if ((length != 0 && __builtin_mul_overflow(elements, length, &elements)) ||
          elements > static_cast<uint64_t>(INT64_MAX) / 8)
        fail(fmt::format("the shape of tensor {} overflows 60 bits", shown(tensor.name)));
      tensor.shape.push_back(static_cast<int64_t>(length));
    }
    const auto number = next<uint32_t>("a tensor's type");
    const auto type = tensor_type(number);
    if (type.name.empty())
      fail(fmt::format("tensor {} has the unknown type {}", shown(tensor.name), number));
    if (!type.dtype)
      fail_unsupported(fmt::format(
          "tensor {} is stored as {}; read are F32, F16, BF16, F64, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, "
          "Q4_K, Q5_K and Q6_K (llama-quantize converts)",
          shown(tensor.name), type.name));
    tensor.dtype = *type.dtype;
    const auto block = dtype_info(tensor.dtype).block_elements;
    const int64_t innermost = tensor.shape.empty() ? 1 : tensor.shape.front();
    if (innermost % block != 0)
      fail(fmt::format("tensor {} of type {} has rows of {} elements, which is no multiple of {}",
                       shown(tensor.name), type.name, innermost, block));
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    file_.tensors.push_back(std::move(tensor));
    return next<uint64_t>("a tensor's offset");
  }

  void place_tensors(const std::vector<uint64_t>& offsets, uint64_t alignment) {
    if (file_.tensors.empty()) return;
    const uint64_t start = (position_ + alignment - 1) / alignment * alignment;
    if (start > bytes_.size())
      fail("it ends before the data of its tensors; it is truncated or damaged");
    const auto data = bytes_.subspan(start);
    for (size_t i = 0; i < offsets.size(); ++i) {
      auto& tensor = file_.tensors[i];
      const auto& info = dtype_info(tensor.dtype);
      const auto elements = static_cast<uint64_t>(tensor.rows() * tensor.row_elements());
      const auto blocks = elements / static_cast<uint64_t>(info.block_elements);
      const auto size = blocks * static_cast<uint64_t>(info.block_bytes);
      if (blocks > data.size() || size > data.size() || offsets[i] > data.size() - size)
        fail(
            fmt::format("tensor {} needs {} blocks of {} bytes at byte {} of the data, which has "
                        "{}; the file is truncated or damaged",
                        shown(tensor.name), blocks, info.block_bytes, offsets[i], data.size()));
      if (offsets[i] % alignment != 0)
        fail(
            fmt::format("tensor {} starts at byte {} of the data, which is no multiple of the "
                        "alignment {}",
                        shown(tensor.name), offsets[i], alignment));
      tensor.data = data.subspan(offsets[i], size);
    }
    check_overlaps();
  }

  void check_overlaps() const {
    std::vector<const Tensor*> order;
    for (const auto& tensor : file_.tensors)
      if (!tensor.data.empty()) order.push_back(&tensor);
    std::sort(order.begin(), order.end(),
              [](const Tensor* a, const Tensor* b) { return a->data.data() < b->data.data(); });
    for (size_t i = 1; i < order.size(); ++i)
      if (order[i]->data.data() < order[i - 1]->data.data() + order[i - 1]->data.size())
        fail(fmt::format("the data of tensors {} and {} overlap", shown(order[i - 1]->name),
                         shown(order[i]->name)));
  }

  std::span<const std::byte> bytes_;
  const std::shared_ptr<const void>& owner_;
  const std::filesystem::path& path_;
  size_t position_ = 0;
  uint64_t metadata_elements_ = 0;
  std::unordered_set<std::string> names_;
  GgufFile file_;
};

}  // namespace

GgufFile read_gguf(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                   const std::filesystem::path& path) {
  return Reader(bytes, owner, path).read();
}

}  // namespace mm_orch::weights
