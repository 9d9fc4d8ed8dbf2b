#include "text/chat_template.h"

#include <fmt/format.h>

#include "text/ffi.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;

void check_messages(const json& messages) {
  if (!messages.is_array()) {
    throw InvalidInputError(fmt::format(
        "chat messages must be a list of objects with \"role\"; found {}", messages.type_name()));
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object() || !messages[i].contains("role")) {
      throw InvalidInputError(
          fmt::format("chat message {} must be an object with \"role\"; found {}", i,
                      messages[i].is_object() ? "an object without it" : messages[i].type_name()));
    }
  }
}

// Templates may print a whole message: keys in the order people write them, not in json's.
nlohmann::ordered_json in_usual_order(const json& message) {
  nlohmann::ordered_json result;
  for (const char* key : {"role", "content"}) {
    if (message.contains(key)) result[key] = message[key];
  }
  for (const auto& [key, value] : message.items()) result[key] = value;
  return result;
}

std::string dump(const nlohmann::ordered_json& variables) {
  try {
    return variables.dump();
  } catch (const json::type_error&) {
    throw InvalidInputError(
        "a chat message is not valid UTF-8; decode the text before it is passed");
  }
}

}  // namespace

std::string render_chat(const std::string& chat_template, const json& messages,
                        const json& special_tokens, bool add_generation_prompt) {
  check_messages(messages);
  auto variables = nlohmann::ordered_json::object();
  for (const auto& [name, token] : special_tokens.items()) variables[name] = token;
  variables["messages"] = nlohmann::ordered_json::array();
  for (const json& message : messages) variables["messages"].push_back(in_usual_order(message));
  variables["tools"] = nullptr;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = add_generation_prompt;
  const std::string text = dump(variables);

  FfiString result;
  FfiString error;
  const auto status = mm_render_chat(chat_template.data(), chat_template.size(), text.data(),
                                     text.size(), result.out(), error.out());
  throw_on_failure(status, error);
  return result.str();
}

}  // namespace mm_orch::text
