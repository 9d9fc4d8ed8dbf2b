#include "base/memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace mm_orch {
namespace {

namespace fs = std::filesystem;

// The number behind `key` in a file of lines "key value".
uint64_t number_after(const fs::path& file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string word;
    uint64_t number = 0;
    if (words >> word && word == key && words >> number) return number;
  }
  return 0;
}

// None where the file is not there or says "max".
std::optional<uint64_t> number_in(const fs::path& file) {
  std::ifstream stream(file);
  uint64_t number = 0;
  if (stream >> number) return number;
  return std::nullopt;
}

struct GroupFiles {
  const char* limit;
  const char* used;
  const char* active;  // in memory.stat: cached files, which go when room is needed
  const char* inactive;
};
constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_active_file", "total_inactive_file"};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", "active_file", "inactive_file"};

void narrow(MemoryState& state, const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  const auto used = number_in(group / files.used);
  if (!limit || !used) return;
  const auto stat = group / "memory.stat";
  const uint64_t cached = number_after(stat, files.active) + number_after(stat, files.inactive);
  const uint64_t held = *used - std::min(*used, cached);
  state.total_bytes = std::min(state.total_bytes, *limit);
  state.available_bytes = std::min(state.available_bytes, *limit - std::min(*limit, held));
}

// The group and those above it. In a container the folder of the process's own group is the root,
// whatever path /proc names.
void narrow_up(MemoryState& state, const fs::path& mount, const std::string& path,
               const GroupFiles& files) {
  auto relative = fs::path(path).relative_path();
  for (; !relative.empty(); relative = relative.parent_path())
    narrow(state, mount / relative, files);
  narrow(state, mount, files);
}

bool names_memory(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');)
    if (name == "memory") return true;
  return false;
}

}  // namespace

MemoryState memory_state(const fs::path& root) {
  const auto meminfo = root / "proc/meminfo";
  MemoryState state{.total_bytes = number_after(meminfo, "MemTotal:") * 1024,
                    .available_bytes = number_after(meminfo, "MemAvailable:") * 1024};
  const auto groups = root / "sys/fs/cgroup";
  // "0::/path" (version 2), "4:memory:/path" (version 1).
  std::ifstream own(root / "proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const auto path = line.substr(second + 1);
    if (controllers.empty()) narrow_up(state, groups, path, kVersion2);
    if (names_memory(controllers)) narrow_up(state, groups / "memory", path, kVersion1);
  }
  return state;
}

}  // namespace mm_orch
