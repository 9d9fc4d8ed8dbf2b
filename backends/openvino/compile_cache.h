// What compiling an exported model gave, kept in `<stem>.compiled` beside it, so that the
// next load does not compile. The file names all that it depends on: one of another model,
// machine, OpenVINO or setting is ignored and replaced, a damaged one too.
//
// Layout: the compiled decoder; at the next page the compiled encoder, if there is one; a
// header in JSON; its length, a hash of all before it, and kMagic, 8 bytes each.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <openvino/core/any.hpp>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "compiled_form.h"

namespace mm_orch::openvino {

class CompileCache {
 public:
  /// @param device   as OpenVINO names it.
  CompileCache(const std::filesystem::path& xml, const std::string& device,
               const backend::LoadOptions& options);

  /// None if there is no file, or none that fits, which the log says.
  std::optional<CompiledForm> read() const;
  /// Keeps `form`, compiled with `properties`. What prevents it is logged.
  void write(const CompiledForm& form, const ov::AnyMap& properties) const;

 private:
  CompiledForm import(const nlohmann::json& header,
                      const std::shared_ptr<const MappedFile>& file) const;

  std::filesystem::path file_;
  std::string device_;
  nlohmann::json key_;  // all that the file depends on
};

}  // namespace mm_orch::openvino
