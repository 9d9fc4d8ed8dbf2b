// Model folders as Hugging Face lays them out, small and random, and a scratch folder
// to work in.
#pragma once

#include <filesystem>
#include <string>

#include "support/memory_source.h"

namespace mm_orch::testing {

/// A fresh folder that is the current one while this lives, then removed.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path before_;
};

void write_text(const std::filesystem::path& path, const std::string& content);
std::string read_text(const std::filesystem::path& path);

/// Writes config.json and model.safetensors.
void write_model(const MemorySource& source, const std::filesystem::path& folder);

/// Writes a byte-level tokenizer.json whose id of byte b is b; vocabulary size 256.
void write_byte_tokenizer(const std::filesystem::path& folder);

/// The three together: a random GPT-2 of 256 tokens and a context of 64. Another scale, other
/// weights.
void write_tiny_gpt2(const std::filesystem::path& folder, int scale = 1);

}  // namespace mm_orch::testing
