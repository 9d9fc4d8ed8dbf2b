#include "backend/sdk_version.h"

#include "backend/elf_info.h"

namespace mm_orch::backend {
namespace {

// "openvino-2026.4.1.dist-info" beside the wheel's folder → "2026.4.1".
std::string dist_info_version(const std::filesystem::path& site_packages,
                              const std::string& wheel) {
  static const std::string suffix = ".dist-info";
  std::error_code error;
  for (std::filesystem::directory_iterator entry(site_packages, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const std::string prefix = wheel + "-";
    if (name.starts_with(prefix) && name.ends_with(suffix))
      return name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  }
  return {};
}

std::string release_of(const std::string& version) {
  const size_t first = version.find('.');
  if (first == std::string::npos) return version;
  return version.substr(0, version.find_first_not_of("0123456789", first + 1));
}

}  // namespace

std::string built_sdk_version(const std::string& wheel) {
  if (wheel == "torch") return MM_ORCH_BUILT_TORCH_VERSION;
  if (wheel == "openvino") return MM_ORCH_BUILT_OPENVINO_VERSION;
  return {};
}

FoundSdk find_sdk(const std::string& wheel, const std::filesystem::path& plugin) {
  for (auto folder : read_elf_info(plugin).runpath) {
    if (!folder.has_filename()) folder = folder.parent_path();
    for (; folder.has_relative_path(); folder = folder.parent_path()) {
      std::error_code ignored;
      if (folder.filename() != wheel || !std::filesystem::is_directory(folder, ignored)) continue;
      return {folder, dist_info_version(folder.parent_path(), wheel)};
    }
  }
  return {};
}

bool same_release(const std::string& built, const std::string& found) {
  return release_of(built) == release_of(found);
}

}  // namespace mm_orch::backend
