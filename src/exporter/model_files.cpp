#include "exporter/model_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/mapped_file.h"
#include "exporter/staging_folder.h"
#include "mm_orch/errors.h"
#include "text/tokenizer.h"

namespace mm_orch::exporter {
namespace {

namespace fs = std::filesystem;

constexpr int kIndent = 2;

void write_json(const fs::path& path, const nlohmann::json& content) {
  write_file(path, content.dump(kIndent) + "\n");
}

// True if the source's own file was there.
bool copy_own(const weights::ModelSource& source, const std::string& name, const fs::path& folder) {
  std::error_code ignored;
  const auto own = source.path() / name;
  if (!fs::is_regular_file(own, ignored) || fs::file_size(own, ignored) == 0) return false;
  const auto file = MappedFile::open(own);
  write_file(folder / name,
             {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()});
  return true;
}

void write_tokenizer(const weights::ModelSource& source, const fs::path& folder) {
  try {
    write_file(folder / "tokenizer.json",
               text::Tokenizer::from_files(source.tokenizer_files())->to_json());
  } catch (const ModelNotFoundError&) {
    return;  // a model of ids only
  }
}

}  // namespace

void write_file(const fs::path& path, std::string_view content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail_io("write", path, errno);
  while (!content.empty()) {
    const auto written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      ::close(fd);
      fail_io("write", path, error);
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::close(fd) != 0) fail_io("write", path, errno);
}

const std::set<std::string>& model_file_names() {
  static const std::set<std::string> names{
      "config.json",           "generation_config.json",  "tokenizer.json",
      "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"};
  return names;
}

void write_model_files(const weights::ModelSource& source, const fs::path& folder) {
  const auto own = [&](const char* name) { return copy_own(source, name, folder); };
  if (!own("config.json")) write_json(folder / "config.json", source.config());
  if (!own("generation_config.json") && !source.generation_config().empty())
    write_json(folder / "generation_config.json", source.generation_config());
  if (!own("tokenizer.json")) write_tokenizer(source, folder);
  if (!own("tokenizer_config.json") && !source.special_tokens().empty())
    write_json(folder / "tokenizer_config.json", source.special_tokens());
  own("special_tokens_map.json");
  if (const auto chat = source.chat_template(); !own("chat_template.jinja") && chat)
    write_file(folder / "chat_template.jinja", *chat);
}

}  // namespace mm_orch::exporter
