// Where a byte string stops being UTF-8.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "mm_orch/export.h"

namespace mm_orch::text {

enum class Utf8Start {
  kCharacter,   // begins with a whole character
  kIncomplete,  // could become a character if more bytes came
  kInvalid,
};

/// Looks at the first character of `bytes` (not empty).
/// @param length  set to the character's length if there is one.
MM_ORCH_EXPORT Utf8Start utf8_start(std::string_view bytes, size_t* length);

/// Offset of the first byte that is no UTF-8; none if all of it is.
MM_ORCH_EXPORT std::optional<size_t> first_invalid_utf8(std::string_view bytes);

}  // namespace mm_orch::text
