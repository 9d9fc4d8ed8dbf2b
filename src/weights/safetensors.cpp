#include "weights/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"
#include "weights/checked_json.h"

namespace mm_orch::weights {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kHeaderSizeBytes = 8;
constexpr uint64_t kMaximumHeaderBytes = 100'000'000;  // the reference implementation's bound

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI64,
                            DType::kI32, DType::kI16, DType::kI8, DType::kU8, DType::kBool})
    if (dtype_info(dtype).name == name) return dtype;
  return std::nullopt;
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
         const std::filesystem::path& path)
      : bytes_(bytes), owner_(owner), path_(path) {}

  std::vector<Tensor> read() {
    const auto header = read_header();
    std::vector<Tensor> tensors;
    tensors.reserve(header.size());
    for (const auto& [name, entry] : header.items())
      if (name != "__metadata__") tensors.push_back(read_tensor(name, entry));
    check_layout(tensors);
    return tensors;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FileValidationError(fmt::format("{}: {}", path_.string(), what),
                              {.path = path_.string()});
  }

  nlohmann::json read_header() {
    if (bytes_.size() < kHeaderSizeBytes)
      fail(fmt::format("{} bytes are too few for a safetensors file; is the download complete?",
                       bytes_.size()));
    uint64_t size;
    std::memcpy(&size, bytes_.data(), sizeof size);
    if (size > kMaximumHeaderBytes)
      fail(
          fmt::format("the header claims {} bytes, at most {} are allowed; no safetensors file, "
                      "or a damaged one",
                      size, kMaximumHeaderBytes));
    if (size > bytes_.size() - kHeaderSizeBytes)
      fail(fmt::format("the header claims {} bytes but the file has {}; it is truncated or damaged",
                       size, bytes_.size()));
    const auto text = bytes_.subspan(kHeaderSizeBytes, size);
    data_ = bytes_.subspan(kHeaderSizeBytes + size);
    auto header = parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, path_,
                             DuplicateKeys::kRefused);
    if (!header.is_object()) fail("the header is no JSON object");
    return header;
  }

  Tensor read_tensor(const std::string& name, const nlohmann::json& entry) const {
    const auto member = [&](const char* key) -> const nlohmann::json& {
      if (!entry.is_object() || !entry.contains(key))
        fail(fmt::format("tensor {} has no \"{}\"", shown(name), key));
      return entry[key];
    };
    const auto& type = member("dtype");
    if (!type.is_string()) fail(fmt::format("tensor {}: dtype is no string", shown(name)));
    const auto dtype = dtype_from_name(type.get_ref<const std::string&>());
    if (!dtype)
      throw UnsupportedModelError(
          fmt::format("{}: tensor {} has the element type {}; those read are F64, F32, F16, BF16, "
                      "I64, I32, I16, I8, U8, BOOL",
                      path_.string(), shown(name), shown(type.get_ref<const std::string&>())),
          {.path = path_.string()});

    Tensor tensor;
    tensor.name = name;
    tensor.dtype = *dtype;
    tensor.owner = owner_;
    uint64_t size = static_cast<uint64_t>(dtype_info(*dtype).block_bytes);
    tensor.shape = read_shape(name, member("shape"), size);
    const auto& offsets = member("data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      fail(fmt::format("tensor {}: data_offsets are not two whole numbers", shown(name)));
    const auto begin = offsets[0].get<uint64_t>();
    const auto end = offsets[1].get<uint64_t>();
    if (begin > end || end > data_.size())
      fail(fmt::format("tensor {} claims bytes {} to {} of {}; the file is truncated or damaged",
                       shown(name), begin, end, data_.size()));
    if (end - begin != size)
      fail(fmt::format("tensor {} has {} bytes; its shape and type need {}", shown(name),
                       end - begin, size));
    tensor.data = data_.subspan(begin, size);
    return tensor;
  }

  // Multiplies `size` by the number of elements.
  std::vector<int64_t> read_shape(const std::string& name, const nlohmann::json& shape,
                                  uint64_t& size) const {
    constexpr size_t kMaximumAxes = 8;
    if (!shape.is_array() || shape.size() > kMaximumAxes)
      fail(fmt::format("tensor {}: the shape is no list of at most {} numbers", shown(name),
                       kMaximumAxes));
    std::vector<int64_t> result;
    uint64_t product = size;  // lengths of 0 left out, so that no partial product overflows
    for (const auto& length : shape) {
      if (!length.is_number_unsigned())
        fail(fmt::format("tensor {}: a length in the shape is no whole number", shown(name)));
      const auto value = length.get<uint64_t>();
      if (value != 0 && __builtin_mul_overflow(product, value, &product))
        fail(fmt::format("tensor {}: the shape overflows 64 bits", shown(name)));
      if (product > static_cast<uint64_t>(INT64_MAX))
        fail(fmt::format("tensor {}: the shape overflows 63 bits", shown(name)));
      size *= value;
      result.push_back(static_cast<int64_t>(value));
    }
    return result;
  }

  // The format allows neither holes nor overlaps nor bytes after the last tensor.
  void check_layout(const std::vector<Tensor>& tensors) const {
    std::vector<const Tensor*> order;
    for (const auto& tensor : tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) {
      return std::pair(a->data.data(), a->data.size()) < std::pair(b->data.data(), b->data.size());
    });
    const std::byte* expected = data_.data();
    for (const auto* tensor : order) {
      if (tensor->data.data() != expected)
        fail(fmt::format(
            "tensor {} starts at byte {} of the data; {} was expected (tensors must "
            "follow each other without holes or overlaps)",
            shown(tensor->name), tensor->data.data() - data_.data(), expected - data_.data()));
      expected += tensor->data.size();
    }
    const auto used = static_cast<size_t>(expected - data_.data());
    if (used != data_.size())
      fail(fmt::format("the tensors take {} bytes, the file has {} of data", used, data_.size()));
  }

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  const std::shared_ptr<const void>& owner_;
  const std::filesystem::path& path_;
};

[[noreturn]] void fail_index(const std::filesystem::path& index, const std::string& what) {
  throw FileValidationError(fmt::format("{}: {}", index.string(), what), {.path = index.string()});
}

// Shard file → names of its tensors.
std::map<std::string, std::set<std::string>> read_index(const std::filesystem::path& index) {
  const auto json = read_json_object(index, DuplicateKeys::kRefused);
  if (!json.contains("weight_map") || !json["weight_map"].is_object() || json["weight_map"].empty())
    fail_index(index, "there is no \"weight_map\" from tensor names to files");
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [name, file] : json["weight_map"].items()) {
    if (!file.is_string()) fail_index(index, fmt::format("no file for tensor {}", shown(name)));
    const auto& text = file.get_ref<const std::string&>();
    if (text.empty() || text == "." || text == ".." ||
        text.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      fail_index(index, fmt::format("shard {} of tensor {} is no plain file name", shown(text),
                                    shown(name)));
    shards[text].insert(name);
  }
  return shards;
}

}  // namespace

std::vector<Tensor> read_safetensors(std::span<const std::byte> bytes,
                                     const std::shared_ptr<const void>& owner,
                                     const std::filesystem::path& path) {
  return Reader(bytes, owner, path).read();
}

std::vector<Tensor> read_safetensors(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return read_safetensors(file->bytes(), file, path);
}

std::vector<Tensor> read_sharded_safetensors(const std::filesystem::path& index) {
  const auto shards = read_index(index);
  for (const auto& [file, names] : shards)
    if (!std::filesystem::exists(index.parent_path() / file))
      fail_index(index, fmt::format("shard {} (with {} tensors, one of {} shards) is missing; "
                                    "download it again",
                                    shown(file), names.size(), shards.size()));
  std::vector<Tensor> tensors;
  for (const auto& [file, names] : shards) {
    size_t found = 0;
    for (auto& tensor : read_safetensors(index.parent_path() / file)) {
      if (!names.contains(tensor.name)) continue;
      ++found;
      tensors.push_back(std::move(tensor));
    }
    if (found != names.size())
      fail_index(index, fmt::format("shard {} should hold {} tensors but {} of them are not in it",
                                    shown(file), names.size(), names.size() - found));
  }
  return tensors;
}

}  // namespace mm_orch::weights
