#include "compile_cache.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sched.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <openvino/core/version.hpp>
#include <openvino/runtime/properties.hpp>
#include <sstream>

#include "base/mapped_file.h"
#include "base/replaced_file.h"
#include "devices.h"
#include "ir_file.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"
#include "paged_reader.h"
#include "request_pool.h"
#include "step_attention.h"

namespace mm_orch::openvino {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 2;
constexpr std::array<char, 8> kMagic = {'M', 'M', 'O', 'R', 'C', 'H', 'C', '\n'};
constexpr size_t kPage = 4096;

struct Trailer {
  uint64_t header_bytes;
  uint64_t hash;
  std::array<char, 8> magic;
};

uint64_t hash_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

// Another file has another size or time.
json identity(const fs::path& file) {
  std::error_code ignored;
  return {fs::file_size(file, ignored),
          fs::last_write_time(file, ignored).time_since_epoch().count()};
}

fs::path own_library() {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<const void*>(&own_library), &info) != 0 ? info.dli_fname : "";
}

json model_files(const fs::path& xml) {
  const auto text = MappedFile::open(xml);
  return {hash_of(text->bytes()), identity(fs::path(xml).replace_extension(".bin"))};
}

json strings(const ov::AnyMap& properties) {
  json result = json::object();
  for (const auto& [name, value] : properties) result[name] = value.as<std::string>();
  return result;
}

// With one core other settings are chosen.
int cores() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

json key_of(const fs::path& xml, const std::string& device, const backend::LoadOptions& options) {
  json key = {{"format", kFormat},
              {"openvino", ov::get_openvino_version().buildNumber},
              {"plug-in", identity(own_library())},
              {"device", core().get_property(device, ov::device::full_name)},
              {"cores", cores()},
              {"model", model_files(xml)},
              {"settings",
               {options.inference_precision, options.num_threads, options.num_streams,
                options.properties, options.tuned}}};
  const auto capabilities = core().get_property(device, ov::device::capabilities);
  key["instructions"] = capabilities;
  const auto encoder = encoder_beside(xml);
  std::error_code ignored;
  if (fs::is_regular_file(encoder, ignored)) key["encoder"] = model_files(encoder);
  return key;
}

// What of `found` is another than in `wanted`.
std::string difference(const json& found, const json& wanted) {
  for (const auto& [name, value] : wanted.items())
    if (!found.contains(name) || found.at(name) != value) return name;
  return "model";
}

void pad_to_page(std::ostream& stream) {
  const auto over = static_cast<size_t>(stream.tellp()) % kPage;
  if (over > 0)
    stream.write(std::string(kPage - over, '\0').data(),
                 static_cast<std::streamsize>(kPage - over));
}

// OpenVINO leaves the stream before its end, and counts from the stream's begin.
uint64_t write_first(std::ostream& stream, ov::CompiledModel model) {
  model.export_model(stream);
  stream.seekp(0, std::ios::end);
  const auto bytes = static_cast<uint64_t>(stream.tellp());
  pad_to_page(stream);
  return bytes;
}

uint64_t write_second(std::ostream& stream, ov::CompiledModel model) {
  std::stringstream part;
  model.export_model(part);
  const auto content = std::move(part).str();
  stream << content;
  return content.size();
}

// Empty if the file is damaged.
std::optional<json> checked_header(std::span<const std::byte> bytes) {
  Trailer trailer{};
  if (bytes.size() < sizeof trailer) return std::nullopt;
  const size_t body = bytes.size() - sizeof trailer;
  std::memcpy(&trailer, bytes.data() + body, sizeof trailer);
  if (trailer.magic != kMagic || trailer.header_bytes > body) return std::nullopt;
  if (hash_of(bytes.first(body)) != trailer.hash) return std::nullopt;
  const auto* text = reinterpret_cast<const char*>(bytes.data() + body - trailer.header_bytes);
  auto header = json::parse(text, text + trailer.header_bytes, nullptr, false);
  if (header.is_discarded()) return std::nullopt;
  return header;
}

}  // namespace

CompileCache::CompileCache(const fs::path& xml, const std::string& device,
                           const backend::LoadOptions& options)
    : file_(backend::compiled_file(xml)), device_(device), key_(key_of(xml, device, options)) {}

CompiledForm CompileCache::import(const json& header,
                                  const std::shared_ptr<const MappedFile>& file) const {
  ov::AnyMap properties;
  for (const auto& [name, value] : header.at("properties").items())
    properties[name] = value.get<std::string>();
  // Constants stay where they are mapped.
  const auto part = [&](size_t offset, size_t bytes) {
    auto* data = const_cast<std::byte*>(file->bytes().data()) + offset;
    return core().import_model(ov::Tensor(ov::element::u8, {bytes}, data), device_, properties);
  };
  if (header.at("paged").get<bool>()) read_paged_attention();
  if (header.at("steps").get<bool>()) read_step_attention();
  CompiledForm form{.file = file};
  const auto decoder_bytes = header.at("decoder_bytes").get<size_t>();
  form.decoder = part(0, decoder_bytes);
  if (const auto bytes = header.at("encoder_bytes").get<size_t>(); bytes > 0)
    form.encoder = part((decoder_bytes + kPage - 1) / kPage * kPage, bytes);
  header.at("source_names").get_to(form.source_names);
  header.at("precision").get_to(form.precision);
  header.at("memory_bytes").get_to(form.memory_bytes);
  return form;
}

std::optional<CompiledForm> CompileCache::read() const {
  std::error_code ignored;
  if (!fs::is_regular_file(file_, ignored)) return std::nullopt;
  try {
    const auto file = MappedFile::open(file_);
    const auto header = checked_header(file->bytes());
    if (!header) throw std::runtime_error("it is damaged");
    if (header->at("key") != key_) {
      log(LogLevel::kInfo,
          fmt::format("{} is not used and made anew: it was not compiled for the same {}",
                      file_.string(), difference(header->at("key"), key_)));
      return std::nullopt;
    }
    auto form = import(*header, file);
    log(LogLevel::kDebug, fmt::format("{} is used", file_.string()));
    return form;
  } catch (const std::exception& error) {
    log(LogLevel::kWarning,
        fmt::format("{} is not used and made anew: {}", file_.string(), clean_message(error)));
    return std::nullopt;
  }
}

void CompileCache::write(const CompiledForm& form, const ov::AnyMap& properties) const {
  try {
    ReplacedFile file(file_);
    auto& stream = file.stream();
    json header = {{"key", key_},
                   {"properties", strings(properties)},
                   {"paged", has_input(form.decoder, kPagedInput)},
                   {"steps", has_input(form.decoder, kStepInput)},
                   {"source_names", form.source_names},
                   {"precision", form.precision},
                   {"memory_bytes", form.memory_bytes}};
    header["decoder_bytes"] = write_first(stream, form.decoder);
    header["encoder_bytes"] = form.encoder ? write_second(stream, *form.encoder) : 0;
    const auto text = header.dump();
    stream << text;
    file.flush();
    const Trailer trailer{text.size(), hash_of(MappedFile::open(file.path())->bytes()), kMagic};
    stream.write(reinterpret_cast<const char*>(&trailer), sizeof trailer);
    file.commit();
  } catch (const std::exception& error) {
    log(LogLevel::kInfo,
        fmt::format("What was compiled is not kept, so that the next load compiles again: {}",
                    clean_message(error)));
  }
}

}  // namespace mm_orch::openvino
