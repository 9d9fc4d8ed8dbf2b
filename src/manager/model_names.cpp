#include "manager/model_names.h"

#include <fmt/format.h>

#include <filesystem>

#include "mm_orch/errors.h"
#include "weights/model_locator.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

void check_model(const std::string& name, const fs::path& path) {
  if (weights::is_model_folder(path)) return;
  std::error_code ignored;
  const bool is_file = fs::is_regular_file(path, ignored);
  if (is_file && (path.extension() == ".gguf" || path.extension() == ".xml")) return;
  throw ModelNotFoundError(
      fmt::format(
          "{} holds no model; '{}' can stand for a folder with config.json or a .gguf file, "
          "for a .gguf file or for an .xml file",
          path.string(), name),
      ErrorContext{.model = name, .path = path.string()});
}

}  // namespace

void ModelNames::add(const std::string& name, const std::string& path) {
  weights::check_name(name);
  const auto found = fs::absolute(weights::locate_path(path)).lexically_normal();
  check_model(name, found);
  const std::lock_guard lock(mutex_);
  paths_[name] = found.string();
}

ModelReference ModelNames::resolve(const std::string& name) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto entry = paths_.find(name); entry != paths_.end())
      return {name, entry->second, name};
  }
  return {name, name, weights::export_name(name)};
}

}  // namespace mm_orch::manager
