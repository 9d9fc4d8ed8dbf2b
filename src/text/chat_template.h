// A model's chat template, rendered by minijinja with the settings transformers
// uses (trim_blocks, lstrip_blocks, raise_exception, strftime_now, Python's string methods).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch::text {

/// @param messages        [{"role": "user", "content": "..."}, ...]
/// @param special_tokens  {"bos_token": "<s>", ...}, variables of the template.
/// @return                the same text as transformers' apply_chat_template(tokenize=False).
/// @throws InvalidInputError  the template refused the messages (raise_exception) or `messages` is
///                            not a list of objects with "role".
/// @throws FileValidationError  the template does not parse.
MM_ORCH_EXPORT std::string render_chat(const std::string& chat_template,
                                       const nlohmann::json& messages,
                                       const nlohmann::json& special_tokens,
                                       bool add_generation_prompt);

}  // namespace mm_orch::text
