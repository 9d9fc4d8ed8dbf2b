// One streamed generation, as `run`, `chat` and `compare` use it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mm_orch/model_manager.h"

namespace mm_orch::cli {

/// What the model reads: the prompt itself, or the messages in the model's chat template.
std::vector<int64_t> prompt_tokens(ModelManager& manager, const std::string& model,
                                   const std::string& prompt);
std::vector<int64_t> chat_tokens(ModelManager& manager, const std::string& model,
                                 const std::vector<ChatMessage>& messages);

/// A system message, if there is one, and the user's.
std::vector<ChatMessage> chat_messages(const std::optional<std::string>& system,
                                       const std::string& user);

struct Answer {
  GenerationResult result;
  bool interrupted = false;  // by Ctrl-C; the result holds what came before
};

/// Generates, printing each piece as it comes if `stream` is on. Ctrl-C stops it.
Answer generate_answer(ModelManager& manager, const std::string& model,
                       const std::vector<int64_t>& tokens, GenerationConfig config, bool stream);

}  // namespace mm_orch::cli
