#include "ir_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <openvino/op/constant.hpp>
#include <openvino/pass/serialize.hpp>
#include <optional>
#include <string_view>

#include "base/mapped_file.h"
#include "devices.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetadataKey = "mm_orch";

[[noreturn]] void write_failed(const fs::path& path, int error) {
  throw BackendError(fmt::format("Cannot write {}: {}", path.string(), std::strerror(error)),
                     {.backend = kBackendName, .path = path.string()});
}

// A file that gives back the scratch space of what it has taken.
class DrainingFile : public std::filebuf {
 public:
  explicit DrainingFile(ScratchFile* drained) : drained_(drained) {}

 protected:
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    const auto written = std::filebuf::xsputn(data, size);
    if (drained_) drained_->discard(data);
    return written;
  }

 private:
  ScratchFile* drained_;
};

// A stream that fails aloud: OpenVINO does not look whether its writes reached the disk.
class Output {
 public:
  Output(const fs::path& path, ScratchFile* drained)
      : path_(path), file_(drained), stream_(&file_) {
    errno = 0;
    if (!file_.open(path, std::ios::out | std::ios::binary)) write_failed(path, errno);
  }
  std::ostream& stream() { return stream_; }
  void close() {
    errno = 0;
    if (!file_.close() || !stream_) write_failed(path_, errno != 0 ? errno : EIO);
  }

 private:
  fs::path path_;
  DrainingFile file_;
  std::ostream stream_;
};

std::optional<uint64_t> attribute(std::string_view tag, std::string_view name) {
  const auto begin = tag.find(fmt::format(" {}=\"", name));
  if (begin == std::string_view::npos) return {};
  const char* digits = tag.data() + begin + name.size() + 3;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits, tag.data() + tag.size(), value);
  if (error != std::errc() || end == tag.data() + tag.size() || *end != '"') return {};
  return value;
}

[[noreturn]] void damaged(const fs::path& path, const std::string& problem) {
  throw FileValidationError(
      fmt::format("{} is damaged: {}. Export the model again", path.string(), problem),
      {.backend = kBackendName, .path = path.string()});
}

// Constants name their place in the .bin: <data ... offset="0" size="4608" .../>.
uint64_t bytes_needed(const fs::path& xml, std::string_view text) {
  uint64_t needed = 0;
  for (size_t begin = text.find("<data "); begin != std::string_view::npos;
       begin = text.find("<data ", begin + 1)) {
    const auto tag = text.substr(begin, text.find('>', begin) - begin);
    const auto offset = attribute(tag, "offset");
    const auto size = attribute(tag, "size");
    if (!offset || !size) continue;
    if (*offset > UINT64_MAX - *size) damaged(xml, "a constant lies outside of any file");
    needed = std::max(needed, *offset + *size);
  }
  return needed;
}

}  // namespace

void write_ir(const std::shared_ptr<ov::Model>& model, const fs::path& stem, ScratchFile* drained) {
  const fs::path xml_path = stem.string() + ".xml";
  Output xml(xml_path, nullptr);
  Output bin(stem.string() + ".bin", drained);
  translate<BackendError>(
      "Cannot write " + xml_path.string(), {.backend = kBackendName, .path = xml_path.string()},
      [&] { ov::pass::Serialize(xml.stream(), bin.stream()).run_on_model(model); });
  bin.close();
  xml.close();
}

void check_ir(const fs::path& xml) {
  const auto bin = fs::path(xml).replace_extension(".bin");
  const auto file = MappedFile::open(xml);
  const auto bytes = file->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.find("</net>") == std::string_view::npos) damaged(xml, "it ends before </net>");
  const uint64_t needed = bytes_needed(xml, text);
  if (needed == 0) return;
  std::error_code error;
  const uint64_t size = fs::file_size(bin, error);
  if (error) damaged(bin, error.message());
  if (size < needed)
    damaged(bin,
            fmt::format("it has {} bytes, but {} names {}", size, xml.filename().string(), needed));
}

std::shared_ptr<ov::Model> read_ir(const fs::path& xml) {
  return translate<FileValidationError>(
      "Cannot read " + xml.string(), {.backend = kBackendName, .path = xml.string()},
      [&] { return core().read_model(xml, fs::path(xml).replace_extension(".bin")); });
}

fs::path encoder_beside(const fs::path& xml) {
  std::string name = xml.filename().string();
  const size_t place = name.rfind("decoder");
  if (place == std::string::npos) return {};
  return xml.parent_path() / name.replace(place, 7, "encoder");
}

std::string weight_precision(const ov::Model& model) {
  std::map<std::string, size_t> elements;
  for (const auto& node : model.get_ops()) {
    const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node);
    if (!constant) continue;
    const auto& type = constant->get_element_type();
    const auto bits = type.bitwidth();
    const std::string name = fmt::format("{}{}", type.is_real() ? "FP" : "INT", bits);
    elements[name] += ov::shape_size(constant->get_shape());
  }
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  return most == elements.end() ? "FP32" : most->first;
}

void write_metadata(ov::Model& model, const std::map<std::string, std::string>& metadata) {
  for (const auto& [name, value] : metadata)
    model.set_rt_info(value, std::vector<std::string>{kMetadataKey, name});
}

}  // namespace mm_orch::openvino
