#include "weights/model_source.h"

#include <fmt/format.h>

#include "mm_orch/errors.h"
#include "weights/stored_model.h"

namespace mm_orch::weights {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> gguf_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".gguf") files.push_back(entry.path());
  return files;
}

[[noreturn]] void fail_with_many(const fs::path& folder, const std::vector<fs::path>& files) {
  std::string names;
  for (const auto& file : files) names += (names.empty() ? "" : ", ") + file.filename().string();
  throw FileValidationError(
      fmt::format("{} holds {} GGUF files ({}); give the path of the one that is meant",
                  folder.string(), files.size(), names),
      {.path = folder.string()});
}

void check_exists(const fs::path& path) {
  if (!fs::exists(path))
    throw ModelNotFoundError(fmt::format("There is no {}", path.string()), {.path = path.string()});
}

}  // namespace

std::unique_ptr<ModelSource> open_model(const fs::path& path) {
  check_exists(path);
  const ErrorContext context{.path = path.string()};
  if (!fs::is_directory(path)) {
    if (path.extension() == ".gguf") return open_gguf(path);
    throw FileValidationError(
        fmt::format(
            "{} is neither a folder nor a .gguf file; give the folder that holds config.json",
            path.string()),
        context);
  }
  if (has_safetensors(path)) return open_folder(path, true);
  const auto files = gguf_files(path);
  if (files.size() == 1) return open_gguf(files.front());
  if (files.size() > 1) fail_with_many(path, files);
  if (fs::exists(path / "config.json")) return open_folder(path, true);
  throw ModelNotFoundError(
      fmt::format("{} holds no model: neither config.json with safetensors nor a .gguf file",
                  path.string()),
      context);
}

std::unique_ptr<ModelSource> open_description(const fs::path& path) {
  check_exists(path);
  return open_folder(path, false);
}

}  // namespace mm_orch::weights
