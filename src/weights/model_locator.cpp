#include "weights/model_locator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <vector>

#include "mm_orch/errors.h"
#include "weights/checked_json.h"

namespace mm_orch::weights {
namespace {

namespace fs = std::filesystem;

// Names from before the hub had organisations, and where those models are now.
constexpr std::pair<std::string_view, std::string_view> kCanonicalNames[] = {
    {"gpt2", "openai-community/gpt2"},
    {"gpt2-medium", "openai-community/gpt2-medium"},
    {"gpt2-large", "openai-community/gpt2-large"},
    {"gpt2-xl", "openai-community/gpt2-xl"},
    {"distilgpt2", "distilbert/distilgpt2"},
    {"t5-small", "google-t5/t5-small"},
    {"t5-base", "google-t5/t5-base"},
    {"bert-base-uncased", "google-bert/bert-base-uncased"},
    {"bert-base-cased", "google-bert/bert-base-cased"},
};

std::mutex downloader_mutex;

// Never destroyed: a thread may still load while the process exits.
Downloader& current_downloader() {
  static auto* downloader = new Downloader();
  return *downloader;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_true(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// As in huggingface_hub: the first of the two that is set decides.
bool is_offline() {
  const auto hub = environment("HF_HUB_OFFLINE");
  return is_true(hub.empty() ? environment("TRANSFORMERS_OFFLINE") : hub);
}

fs::path expand_home(const std::string& path) {
  if (path == "~" || path.starts_with("~/")) {
    const auto home = environment("HOME");
    if (!home.empty()) return fs::path(home) / path.substr(std::min<size_t>(2, path.size()));
  }
  return path;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool holds_gguf(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".gguf") return true;
  return false;
}

// The cache may hold a configuration or tokenizer alone.
bool has_weights(const fs::path& folder) {
  for (const char* file : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                           "pytorch_model.bin.index.json"})
    if (is_there(folder / file)) return true;
  return holds_gguf(folder);
}

std::vector<std::string> hub_names(const std::string& name) {
  for (const auto& [old_name, new_name] : kCanonicalNames) {
    if (name == old_name) return {name, std::string(new_name)};
    if (name == new_name) return {name, std::string(old_name)};
  }
  return {name};
}

// The snapshot that refs/main names; otherwise none, and `looked_at` says why.
std::optional<fs::path> cached_snapshot(const std::string& name,
                                        std::vector<std::string>& looked_at) {
  std::string folder = "models--" + name;
  if (const size_t slash = folder.find('/'); slash != std::string::npos)
    folder.replace(slash, 1, "--");
  const fs::path repository = hub_cache() / folder;
  if (!is_there(repository)) {
    looked_at.push_back(repository.string());
    return std::nullopt;
  }
  std::string revision;
  std::ifstream(repository / "refs" / "main") >> revision;
  const bool plain = !revision.empty() && std::all_of(revision.begin(), revision.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
  if (!plain) {
    looked_at.push_back(
        fmt::format("{} (refs/main is missing or names no revision)", repository.string()));
    return std::nullopt;
  }
  const auto snapshot = repository / "snapshots" / revision;
  if (is_model_folder(snapshot) && has_weights(snapshot)) return snapshot;
  looked_at.push_back(fmt::format("{} ({})", snapshot.string(),
                                  is_there(snapshot) ? "incomplete: no weights or no config.json"
                                                     : "missing, though refs/main names it"));
  return std::nullopt;
}

[[noreturn]] void fail_not_found(const std::string& name, const std::vector<std::string>& looked_at,
                                 const std::string& advice) {
  std::string places;
  for (const auto& place : looked_at) places += "\n  " + place;
  throw ModelNotFoundError(
      fmt::format("Model '{}' was not found. Looked at:{}\n{}", name, places, advice),
      {.model = name});
}

fs::path download(const std::string& name, const std::vector<std::string>& looked_at) {
  if (is_offline())
    fail_not_found(name, looked_at,
                   "Nothing was downloaded, because HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is "
                   "set.");
  Downloader downloader;
  {
    const std::lock_guard lock(downloader_mutex);
    downloader = current_downloader();
  }
  if (!downloader)
    fail_not_found(name, looked_at,
                   fmt::format("Nothing was downloaded, because no downloader is set; run "
                               "`hf download {}` or give a path.",
                               name));
  try {
    return downloader(name);
  } catch (const ModelNotFoundError& error) {
    fail_not_found(name, looked_at, fmt::format("The download failed: {}", error.what()));
  }
}

std::optional<fs::path> find_named(const std::string& name, std::vector<std::string>& looked_at) {
  check_name(name);
  const fs::path local = fs::path("models") / name;
  if (is_model_folder(local)) return local;
  looked_at.push_back(fs::absolute(local).string());
  for (const auto& hub_name : hub_names(name))
    if (const auto snapshot = cached_snapshot(hub_name, looked_at)) return snapshot;
  return std::nullopt;
}

}  // namespace

fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const auto value = environment(name); !value.empty()) return expand_home(value);
  if (const auto value = environment("HF_HOME"); !value.empty()) return expand_home(value) / "hub";
  if (const auto value = environment("XDG_CACHE_HOME"); !value.empty())
    return expand_home(value) / "huggingface" / "hub";
  return expand_home("~/.cache/huggingface/hub");
}

void set_downloader(Downloader downloader) {
  const std::lock_guard lock(downloader_mutex);
  current_downloader() = std::move(downloader);
}

bool is_model_folder(const fs::path& folder) {
  return is_there(folder / "config.json") || holds_gguf(folder);
}

fs::path locate_path(const std::string& name) {
  const auto path = expand_home(name);
  if (!is_there(path))
    throw ModelNotFoundError(
        fmt::format("There is no {}; give a folder with config.json, a .gguf file or the name of "
                    "a model",
                    path.string()),
        {.model = name, .path = path.string()});
  return path;
}

bool is_path(const std::string& name) {
  for (const char* start : {"/", "./", "../", "~"})
    if (name.starts_with(start)) return true;
  if (name == "." || name == "..") return true;
  std::error_code error;
  if (fs::is_directory(name, error)) return is_model_folder(name);
  return fs::path(name).extension() == ".gguf" && is_there(name);
}

void check_name(const std::string& name) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
  };
  const auto is_part = [&](std::string_view part) {
    return !part.empty() && part != "." && std::all_of(part.begin(), part.end(), is_word);
  };
  const std::string_view text = name;
  const size_t slash = text.find('/');
  const bool valid = is_part(text.substr(0, slash)) &&
                     (slash == std::string_view::npos || is_part(text.substr(slash + 1))) &&
                     text.find("..") == std::string_view::npos;
  if (!valid)
    throw InvalidInputError(
        fmt::format(
            "{} is neither the path of a model nor a model's name; a name is made of "
            "letters, digits, '_', '-' and '.', with at most one '/' and no '..'; a path is "
            "a folder with config.json or a .gguf file",
            shown(name)),
        {.model = name});
}

std::string export_name(const std::string& name) {
  if (!is_path(name)) {
    check_name(name);
    return name;
  }
  auto path = fs::absolute(expand_home(name)).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

fs::path locate_model(const std::string& name) {
  if (is_path(name)) return locate_path(name);
  std::vector<std::string> looked_at;
  const auto found = find_named(name, looked_at);
  return found ? *found : download(name, looked_at);
}

std::optional<fs::path> find_local_model(const std::string& name) {
  if (is_path(name)) {
    const auto path = expand_home(name);
    return is_there(path) && (has_weights(path) || path.extension() == ".gguf")
               ? std::optional(path)
               : std::nullopt;
  }
  std::vector<std::string> looked_at;
  return find_named(name, looked_at);
}

}  // namespace mm_orch::weights
