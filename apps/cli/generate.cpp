#include "generate.h"

#include "interrupt.h"
#include "terminal.h"

namespace mm_orch::cli {

std::vector<int64_t> prompt_tokens(ModelManager& manager, const std::string& model,
                                   const std::string& prompt) {
  return manager.tokenize(model, prompt);
}

std::vector<int64_t> chat_tokens(ModelManager& manager, const std::string& model,
                                 const std::vector<ChatMessage>& messages) {
  // The template writes the special tokens itself.
  return manager.tokenize(model, manager.apply_chat_template(model, messages), false);
}

std::vector<ChatMessage> chat_messages(const std::optional<std::string>& system,
                                       const std::string& user) {
  std::vector<ChatMessage> messages;
  if (system) messages.push_back({"system", *system});
  messages.push_back({"user", user});
  return messages;
}

Answer generate_answer(ModelManager& manager, const std::string& model,
                       const std::vector<int64_t>& tokens, GenerationConfig config, bool stream) {
  const InterruptScope interrupt;
  config.cancel = interrupt.token();
  const bool beams = config.num_beams.value_or(1) > 1;
  if (stream && !beams) {
    config.stream = [](size_t, std::string_view piece) {
      print(piece);
      flush();
      return true;
    };
  }
  Answer answer;
  answer.result = manager.generate_tokens(model, {tokens}, config).at(0);
  if (stream && beams) print(answer.result.text);  // known only at the end
  answer.interrupted = interrupt.interrupted();
  return answer;
}

}  // namespace mm_orch::cli
