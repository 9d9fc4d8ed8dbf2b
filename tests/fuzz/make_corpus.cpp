// make_corpus <folder>: writes valid files for the fuzzers to start from, one folder a format.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "file_builders.h"
#include "text/protobuf_builder.h"

namespace {

using mm_orch::testing::GgufBuilder;

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

GgufBuilder architecture(const std::string& name) {
  GgufBuilder builder;
  builder.string("general.architecture", name);
  for (const char* key : {"block_count", "context_length", "embedding_length",
                          "feed_forward_length", "attention.head_count"})
    builder.number(name + "." + key, 2);
  return builder;
}

void write_gguf_files(const std::filesystem::path& folder) {
  auto llama = architecture("llama");
  llama.real("llama.rope.freq_base", 10000).string("llama.rope.scaling.type", "yarn");
  llama.real("llama.rope.scaling.factor", 2).number("llama.attention.key_length", 2);
  llama.strings("tokenizer.ggml.tokens", {"<s>", "</s>"}).number("tokenizer.ggml.bos_token_id", 0);
  llama.number("tokenizer.ggml.eos_token_id", 1).number("general.alignment", 32);
  llama.string("tokenizer.chat_template", "{{ x }}");
  llama.floats("token_embd.weight", {2, 2}).floats("blk.0.attn_q.weight", {2, 4});
  write(folder / "llama", llama.bytes());

  auto gpt2 = architecture("gpt2");
  gpt2.version = 2;
  write(folder / "gpt2", gpt2.floats("blk.0.attn_qkv.weight", {2, 6}).bytes());

  struct Type {
    uint32_t number;
    uint64_t elements;
    size_t bytes;
  };
  // F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, I8, F64, BF16.
  for (const auto& [number, elements, bytes] : {Type{1, 16, 32},
                                                {2, 32, 18},
                                                {3, 32, 20},
                                                {6, 32, 22},
                                                {7, 32, 24},
                                                {8, 32, 34},
                                                {12, 256, 144},
                                                {13, 256, 176},
                                                {14, 256, 210},
                                                {24, 32, 32},
                                                {28, 4, 32},
                                                {30, 16, 32}}) {
    GgufBuilder builder;
    builder.string("general.architecture", "x");
    builder.tensor({"t", {elements}, number, 0});
    builder.data = std::string(bytes, '\x5a');
    write(folder / ("type" + std::to_string(number)), builder.bytes());
  }
}

void write_safetensors_files(const std::filesystem::path& folder) {
  for (const char* type : {"F32", "BF16", "F64", "I8", "BOOL"}) {
    const std::string name = type;
    const size_t size = name == "F64" ? 8 : name == "F32" ? 4 : name == "BF16" ? 2 : 1;
    const nlohmann::json header = {
        {"__metadata__", {{"format", "pt"}}},
        {"a", {{"dtype", type}, {"shape", {2, 3}}, {"data_offsets", {0, 6 * size}}}},
        {"b", {{"dtype", type}, {"shape", {1}}, {"data_offsets", {6 * size, 7 * size}}}}};
    write(folder / name,
          mm_orch::testing::safetensors_bytes(header.dump(), std::string(7 * size, '\x3c')));
  }
}

void write_sentencepiece_files(const std::filesystem::path& folder) {
  using mm_orch::testing::piece;
  using mm_orch::testing::ProtobufBuilder;
  for (const uint64_t algorithm : {1, 2}) {
    ProtobufBuilder model;
    model.message(1, piece("<unk>", 0, 2)).message(1, piece("</s>", 0, 3));
    model
        .message(1, piece("\xE2\x96\x81"
                          "a",
                          -2.5, 1))
        .message(1, piece("<0x0A>", 0, 6));
    model.message(2, ProtobufBuilder().number(3, algorithm).number(35, 1).number(40, 0));
    const std::string trie("\x04\0\0\0\0\0\0\0x\0", 10);
    model.message(3, ProtobufBuilder().text(1, "nmt_nfkc").text(2, trie).number(3, 1));
    write(folder / std::to_string(algorithm), model.bytes());
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const std::filesystem::path folder = arguments[1];
  std::filesystem::remove_all(folder);
  write_gguf_files(folder / "gguf");
  write_safetensors_files(folder / "safetensors");
  write_sentencepiece_files(folder / "sentencepiece");
  return 0;
}
