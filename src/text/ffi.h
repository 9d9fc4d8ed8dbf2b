// RAII and errors around the crate's C face. Internal to src/text.
#pragma once

#include <mm_text.h>

#include <string>

#include "mm_orch/errors.h"

namespace mm_orch::text {

class FfiString {
 public:
  FfiString() = default;
  ~FfiString() { mm_text_string_free(&raw_); }
  FfiString(const FfiString&) = delete;
  FfiString& operator=(const FfiString&) = delete;

  mm_text_string* out() { return &raw_; }
  std::string str() const { return {raw_.data, raw_.data + raw_.length}; }

 private:
  mm_text_string raw_{};
};

inline void throw_on_failure(mm_text_status status, const FfiString& error) {
  switch (status) {
    case MM_TEXT_OK:
      return;
    case MM_TEXT_INVALID_FILE:
      throw FileValidationError(error.str());
    case MM_TEXT_INVALID_INPUT:
    case MM_TEXT_INTERNAL:
      break;
  }
  throw InvalidInputError(error.str());
}

}  // namespace mm_orch::text
