#include "support/model_folder.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/random_models.h"

namespace mm_orch::testing {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

std::string utf8(int code_point) {
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3F))};
}

// GPT-2's printable stand-ins for the 256 bytes.
std::array<std::string, 256> byte_names() {
  std::array<std::string, 256> names;
  int next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    names[static_cast<size_t>(b)] = utf8(printable ? b : next++);
  }
  return names;
}

}  // namespace

ScratchFolder::ScratchFolder() : before_(fs::current_path()) {
  std::string name = (fs::temp_directory_path() / "mm_orch_test_XXXXXX").string();
  if (!::mkdtemp(name.data())) std::abort();
  path_ = fs::canonical(name);
  fs::current_path(path_);
}

ScratchFolder::~ScratchFolder() {
  fs::current_path(before_);
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_text(const fs::path& path, const std::string& content) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return (std::ostringstream() << file.rdbuf()).str();
}

void write_model(const MemorySource& source, const fs::path& folder) {
  write_text(folder / "config.json", source.config().dump());
  json header = json::object();
  std::string data;
  for (const auto& name : source.tensor_names()) {
    const auto& tensor = *source.find(name);
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
    header[name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string content;
  for (int i = 0; i < 8; ++i) content += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  write_text(folder / "model.safetensors", content + text + data);
}

void write_byte_tokenizer(const fs::path& folder) {
  json vocabulary = json::object();
  const auto names = byte_names();
  for (size_t b = 0; b < names.size(); ++b) vocabulary[names[b]] = b;
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  const json tokenizer = {{"version", "1.0"},
                          {"truncation", nullptr},
                          {"padding", nullptr},
                          {"added_tokens", json::array()},
                          {"normalizer", nullptr},
                          {"pre_tokenizer", byte_level},
                          {"post_processor", nullptr},
                          {"decoder", byte_level},
                          {"model",
                           {{"type", "BPE"},
                            {"dropout", nullptr},
                            {"unk_token", nullptr},
                            {"continuing_subword_prefix", nullptr},
                            {"end_of_word_suffix", nullptr},
                            {"fuse_unk", false},
                            {"byte_fallback", false},
                            {"vocab", vocabulary},
                            {"merges", json::array()}}}};
  write_text(folder / "tokenizer.json", tokenizer.dump());
}

void write_tiny_gpt2(const fs::path& folder, int scale) {
  auto source = random_gpt2({{"vocab_size", 256}, {"n_embd", 16 * scale}, {"n_head", 2}});
  write_model(source, folder);
  write_byte_tokenizer(folder);
}

}  // namespace mm_orch::testing
