// tokenize_file <folder or .gguf>: reads JSON lines from stdin, each a string to encode,
// a list of ids to decode, or {"text": ..., "pair": ..., "max_length": ...} (the latter two
// may be null), of which only ids and type_ids are told; writes a JSON line for each:
//   ids        with special tokens, and plain_ids without
//   text       of the ids, special tokens skipped, and full_text with them
//   pieces     the ids streamed from an empty context
//   continued  the second half of the ids, streamed after the first half, joined
// A failure is {"error": class, "message": ...}.
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "weights/gguf.h"

namespace {

using mm_orch::text::Detokenizer;
using mm_orch::text::Tokenizer;
using nlohmann::json;

std::vector<std::string> stream(const std::shared_ptr<const Tokenizer>& tokenizer,
                                std::span<const int64_t> context, std::span<const int64_t> ids) {
  Detokenizer detokenizer(tokenizer, context);
  std::vector<std::string> pieces;
  for (const int64_t id : ids) pieces.push_back(detokenizer.push(id));
  pieces.push_back(detokenizer.flush());
  return pieces;
}

json encode_pair(const Tokenizer& tokenizer, const json& input) {
  std::optional<std::string> pair;
  std::optional<int64_t> max_length;
  if (input["pair"].is_string()) pair = input["pair"].get<std::string>();
  if (input["max_length"].is_number()) max_length = input["max_length"].get<int64_t>();
  const auto encoding =
      tokenizer.encode_with_types(input["text"].get<std::string>(), pair, max_length);
  return {{"ids", encoding.ids}, {"type_ids", encoding.type_ids}};
}

json process(const std::shared_ptr<const Tokenizer>& tokenizer, const json& input) {
  if (input.is_object()) return encode_pair(*tokenizer, input);
  json result;
  std::vector<int64_t> ids;
  if (input.is_string()) {
    const auto& text = input.get_ref<const std::string&>();
    ids = tokenizer->encode(text);
    result["plain_ids"] = tokenizer->encode(text, false);
  } else {
    ids = input.get<std::vector<int64_t>>();
  }
  result["ids"] = ids;
  result["text"] = tokenizer->decode(ids);
  result["full_text"] = tokenizer->decode(ids, false);
  result["pieces"] = stream(tokenizer, {}, ids);
  const std::span all(ids);
  std::string continued;
  for (const auto& piece :
       stream(tokenizer, all.first(ids.size() / 2), all.subspan(ids.size() / 2))) {
    continued += piece;
  }
  result["continued"] = continued;
  return result;
}

std::shared_ptr<const Tokenizer> load(const std::filesystem::path& path) {
  if (path.extension() != ".gguf") return Tokenizer::from_files({.directory = path, .gguf = {}});
  const auto file = mm_orch::MappedFile::open(path);
  auto metadata = mm_orch::weights::read_gguf(file->bytes(), file, path).metadata;
  return Tokenizer::from_files(
      {.directory = {}, .gguf = std::make_shared<const json>(std::move(metadata))});
}

json describe(const mm_orch::MuAIError& error) {
  return {{"error", mm_orch::error_name(error.code())}, {"message", error.what()}};
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: tokenize_file <folder or .gguf>\n", stderr);
    return 2;
  }
  try {
    const auto tokenizer = load(arguments[1]);
    for (std::string line; std::getline(std::cin, line);) {
      json result;
      try {
        result = process(tokenizer, json::parse(line));
      } catch (const mm_orch::MuAIError& error) {
        result = describe(error);
      }
      std::cout << result.dump() << '\n';
    }
    return 0;
  } catch (const mm_orch::MuAIError& error) {
    std::cout << describe(error).dump() << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
