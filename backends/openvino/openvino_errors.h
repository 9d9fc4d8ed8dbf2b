// From OpenVINO's exceptions to the typed errors of the house.
#pragma once

#include <exception>
#include <string>

#include "mm_orch/errors.h"

namespace mm_orch::openvino {

inline constexpr const char* kBackendName = "openvino";

/// What OpenVINO says, without its source locations and repeated lines.
std::string clean_message(const std::exception& error);

/// OpenVINO's allocator reports with an exception of its own.
bool is_out_of_memory(const std::exception& error);

/// Runs `action`; what OpenVINO throws becomes `Error` with "<what>: <message>". Typed errors pass.
template <class Error, class Action>
auto translate(const std::string& what, const ErrorContext& context, Action&& action) {
  try {
    return action();
  } catch (const MuAIError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw OutOfMemoryError(what + ": out of memory", context);
  } catch (const std::exception& error) {
    if (is_out_of_memory(error))
      throw OutOfMemoryError(what + ": " + clean_message(error), context);
    throw Error(what + ": " + clean_message(error), context);
  }
}

}  // namespace mm_orch::openvino
