#include "backend/ir_metadata.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

namespace mm_orch::backend {
namespace {

// The runtime info of an IR is a few kB; the layers before it may be many MB.
constexpr std::streamoff kTailBytes = 256 * 1024;

std::string read_tail(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const std::streamoff size = file.tellg();
  file.seekg(size - std::min(size, kTailBytes));
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::map<std::string, std::string> read_ir_metadata(const std::filesystem::path& xml_path) {
  static constexpr std::string_view kValue = " value=\"";
  const std::string tail = read_tail(xml_path);
  const size_t begin = tail.rfind("<mm_orch>");
  const size_t end = tail.find("</mm_orch>", std::min(begin, tail.size()));
  std::map<std::string, std::string> metadata;
  if (begin == std::string::npos || end == std::string::npos) return metadata;
  // Lines of the form <precision value="FP16" />.
  for (size_t at = tail.find('<', begin + 1); at < end; at = tail.find('<', at + 1)) {
    const size_t value = tail.find(kValue, at);
    if (value == std::string::npos || value > end) break;
    const size_t quote = tail.find('"', value + kValue.size());
    if (quote == std::string::npos || quote > end) break;
    metadata[tail.substr(at + 1, value - at - 1)] =
        tail.substr(value + kValue.size(), quote - value - kValue.size());
  }
  return metadata;
}

}  // namespace mm_orch::backend
