#include "backend/elf_info.h"

#include <elf.h>

#include <cstring>
#include <optional>
#include <span>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"

namespace mm_orch::backend {
namespace {

using Bytes = std::span<const std::byte>;

template <class T>
std::optional<T> read_at(Bytes bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

std::string string_at(Bytes bytes, uint64_t offset) {
  if (offset >= bytes.size()) return {};
  const auto* first = reinterpret_cast<const char*>(bytes.data() + offset);
  return std::string(first, strnlen(first, bytes.size() - offset));
}

std::vector<std::filesystem::path> resolve_runpath(const std::string& runpath,
                                                   const std::filesystem::path& origin) {
  std::vector<std::filesystem::path> folders;
  size_t begin = 0;
  while (begin < runpath.size()) {
    const size_t end = std::min(runpath.find(':', begin), runpath.size());
    std::string entry = runpath.substr(begin, end - begin);
    for (const std::string token : {"$ORIGIN", "${ORIGIN}"})
      if (const size_t at = entry.find(token); at != std::string::npos)
        entry.replace(at, token.size(), origin.string());
    if (!entry.empty()) folders.push_back(std::filesystem::path(entry).lexically_normal());
    begin = end + 1;
  }
  return folders;
}

// Virtual addresses are turned into file offsets through the load segments.
uint64_t file_offset(std::span<const Elf64_Phdr> segments, uint64_t address) {
  for (const auto& segment : segments)
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz)
      return address - segment.p_vaddr + segment.p_offset;
  return UINT64_MAX;
}

ElfInfo parse(Bytes bytes, const std::filesystem::path& origin) {
  ElfInfo info;
  const auto header = read_at<Elf64_Ehdr>(bytes, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64)
    return info;
  std::vector<Elf64_Phdr> segments;
  for (uint64_t i = 0; i < header->e_phnum; ++i)
    if (const auto segment = read_at<Elf64_Phdr>(bytes, header->e_phoff + i * sizeof(Elf64_Phdr)))
      segments.push_back(*segment);

  uint64_t strings = UINT64_MAX;
  std::vector<uint64_t> needed, runpath;
  for (const auto& segment : segments) {
    if (segment.p_type != PT_DYNAMIC) continue;
    for (uint64_t i = 0; i < segment.p_filesz / sizeof(Elf64_Dyn); ++i) {
      const auto entry = read_at<Elf64_Dyn>(bytes, segment.p_offset + i * sizeof(Elf64_Dyn));
      if (!entry || entry->d_tag == DT_NULL) break;
      if (entry->d_tag == DT_STRTAB) strings = file_offset(segments, entry->d_un.d_ptr);
      if (entry->d_tag == DT_NEEDED) needed.push_back(entry->d_un.d_val);
      if (entry->d_tag == DT_RUNPATH || entry->d_tag == DT_RPATH)
        runpath.push_back(entry->d_un.d_val);
    }
  }
  if (strings >= bytes.size()) return info;
  const Bytes table = bytes.subspan(strings);
  for (const uint64_t offset : needed) info.needed.push_back(string_at(table, offset));
  for (const uint64_t offset : runpath)
    for (auto& folder : resolve_runpath(string_at(table, offset), origin))
      info.runpath.push_back(std::move(folder));
  return info;
}

}  // namespace

ElfInfo read_elf_info(const std::filesystem::path& library) {
  try {
    const auto file = MappedFile::open(library);
    std::error_code ignored;
    auto origin = std::filesystem::canonical(library, ignored).parent_path();
    return parse(file->bytes(), origin);
  } catch (const MuAIError&) {
    return {};
  }
}

}  // namespace mm_orch::backend
