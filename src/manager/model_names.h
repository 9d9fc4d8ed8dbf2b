// What a model's name stands for: a path that was registered under it, or the name itself,
// to be looked up. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch::manager {

struct ModelReference {
  std::string name;         // as the user gives it: the key of every call
  std::string location;     // what weights::locate_model finds: a path, or a name
  std::string export_name;  // of its folder under cache_dir
};

class MM_ORCH_EXPORT ModelNames {
 public:
  /// From now on `name` stands for `path`: a folder with config.json or a .gguf file, a .gguf file
  /// or an .xml file. A relative path is taken from the present folder.
  /// @throws InvalidInputError   `name` is no valid name.
  /// @throws ModelNotFoundError  nothing is at `path`, or no model.
  void add(const std::string& name, const std::string& path);

  /// @throws InvalidInputError  neither registered nor a path nor a valid name.
  ModelReference resolve(const std::string& name) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> paths_;
};

}  // namespace mm_orch::manager
