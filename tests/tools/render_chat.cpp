// render_chat: reads JSON lines {"template", "messages", "special_tokens",
// "add_generation_prompt"} from stdin, writes for each {"text": ...} or
// {"error": class, "message": ...}.
#include <iostream>
#include <string>

#include "mm_orch/errors.h"
#include "text/chat_template.h"

int main() {
  using nlohmann::json;
  for (std::string line; std::getline(std::cin, line);) {
    const json input = json::parse(line);
    json result;
    try {
      result["text"] =
          mm_orch::text::render_chat(input.at("template"), input.at("messages"),
                                     input.at("special_tokens"), input.at("add_generation_prompt"));
    } catch (const mm_orch::MuAIError& error) {
      result = {{"error", mm_orch::error_name(error.code())}, {"message", error.what()}};
    }
    std::cout << result.dump() << '\n';
  }
  return 0;
}
