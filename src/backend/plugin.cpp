#include "backend/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>

#include "backend/sdk_version.h"

namespace mm_orch::backend {
namespace {

namespace fs = std::filesystem;

struct Known {
  const char* name;   // of the backend
  const char* title;  // in messages
  const char* file;   // libmm_orch_<file>.so
  const char* wheel;
};
constexpr std::array kKnown{Known{"pytorch", "PyTorch", "torch", "torch"},
                            Known{"openvino", "OpenVINO", "openvino", "openvino"}};

struct Entry {
  Backend* backend = nullptr;
  fs::path path;
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Entry> entries;
  // Kept alive and reachable: models loaded by a backend that was replaced may still run.
  std::vector<Backend*> replaced;
};

// Never destroyed: backends live as long as the process, sessions may outlive static destructors.
Registry& registry() {
  static auto* instance = new Registry();
  return *instance;
}

std::vector<fs::path> search_folders() {
  std::vector<fs::path> folders;
  if (const char* variable = std::getenv("MM_ORCH_PLUGIN_PATH")) {
    const std::string list = variable;
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(':', begin), list.size());
      if (end > begin) folders.emplace_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&get_backend), &info) != 0 && info.dli_fname) {
    std::error_code error;
    const auto self = fs::canonical(info.dli_fname, error);
    if (!error) folders.push_back(self.parent_path());
  }
  return folders;
}

fs::path find_plugin(const Known& known) {
  for (const auto& folder : search_folders()) {
    const auto candidate = folder / fmt::format("libmm_orch_{}.so", known.file);
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return {};
}

[[noreturn]] void unavailable(const Known& known, const fs::path& plugin,
                              const std::string& problem) {
  throw BackendInitializationError(
      fmt::format("{} backend not available: {}", known.title, problem),
      ErrorContext{.backend = known.name, .path = plugin.string()});
}

std::string install_command(const Known& known) {
  return fmt::format("pip install {}=={}", known.wheel, built_sdk_version(known.wheel));
}

[[noreturn]] void plugin_missing(const Known& known) {
  std::vector<std::string> folders;
  for (const auto& folder : search_folders()) folders.push_back(folder.string());
  unavailable(known, {},
              fmt::format("its plug-in libmm_orch_{}.so is not in {}. Install the SDK ({}) and "
                          "build mm_orch again, or set MM_ORCH_PLUGIN_PATH to the plug-in's folder",
                          known.file, fmt::join(folders, ", "), install_command(known)));
}

void check_sdk(const Known& known, const fs::path& plugin) {
  const auto built = built_sdk_version(known.wheel);
  const auto found = find_sdk(known.wheel, plugin);
  if (found.version.empty() || same_release(built, found.version)) return;
  unavailable(known, plugin,
              fmt::format("its plug-in was built for {} {}, but {} {} is installed in {}. Mend it "
                          "with: {}",
                          known.wheel, built, known.wheel, found.version, found.folder.string(),
                          install_command(known)));
}

void* open_library(const Known& known, const fs::path& plugin) {
  if (void* handle = ::dlopen(plugin.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  const char* text = ::dlerror();
  const auto found = find_sdk(known.wheel, plugin);
  unavailable(
      known, plugin,
      fmt::format("{}. The plug-in was built for {} {}; {}. Mend it with: {}",
                  text ? text : "dlopen failed", known.wheel, built_sdk_version(known.wheel),
                  found.version.empty() ? fmt::format("no {} is installed beside it", known.wheel)
                                        : fmt::format("{} {} is installed in {}", known.wheel,
                                                      found.version, found.folder.string()),
                  install_command(known)));
}

Backend* create_backend(const Known& known, const fs::path& plugin) {
  check_sdk(known, plugin);
  void* handle = open_library(known, plugin);
  const auto entry = reinterpret_cast<PluginEntry>(::dlsym(handle, kPluginEntryName));
  if (!entry)
    unavailable(known, plugin,
                fmt::format("{} has no entry {}, so it is no plug-in of mm_orch. Install mm_orch "
                            "again",
                            plugin.string(), kPluginEntryName));
  Backend* backend = nullptr;
  try {
    backend = entry(kPluginApiVersion);
  } catch (const std::exception& error) {
    unavailable(known, plugin,
                fmt::format("its plug-in {} failed to start: {}", plugin.string(), error.what()));
  }
  if (!backend)
    unavailable(known, plugin,
                fmt::format("{} was built for another plug-in API version than {}, which this "
                            "libmm_orch has. Install mm_orch again, so that both are of one build",
                            plugin.string(), kPluginApiVersion));
  return backend;
}

const Entry& find_or_load(const std::string& name) {
  auto& entries = registry().entries;
  const std::lock_guard lock(registry().mutex);
  if (const auto found = entries.find(name); found != entries.end()) return found->second;
  for (const auto& known : kKnown) {
    if (name != known.name) continue;
    const auto plugin = find_plugin(known);
    if (plugin.empty()) plugin_missing(known);
    return entries[name] = {create_backend(known, plugin), plugin};
  }
  throw InvalidInputError(
      fmt::format("Unknown backend '{}'; allowed are pytorch and openvino", name));
}

}  // namespace

Backend& get_backend(const std::string& name) { return *find_or_load(name).backend; }

void register_backend(std::unique_ptr<Backend> backend) {
  auto& [mutex, entries, replaced] = registry();
  const std::lock_guard lock(mutex);
  auto& entry = entries[backend->name()];
  if (entry.backend) replaced.push_back(entry.backend);
  entry = {backend.release(), {}};
}

std::vector<PluginStatus> plugin_status() {
  std::vector<PluginStatus> statuses;
  for (const auto& known : kKnown) {
    PluginStatus status{.name = known.name};
    try {
      const Entry& entry = find_or_load(known.name);
      status.available = true;
      status.path = entry.path;
      status.sdk_version = entry.backend->sdk_version();
    } catch (const std::exception& error) {
      status.path = find_plugin(known);
      status.problem = error.what();
    }
    statuses.push_back(std::move(status));
  }
  return statuses;
}

}  // namespace mm_orch::backend
