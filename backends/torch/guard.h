// Exceptions of torch and the standard library become typed errors at the plug-in's
// edge; ours pass as they are.
#pragma once

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cstring>
#include <new>
#include <string>

#include "mm_orch/errors.h"

namespace mm_orch::torch_backend {

inline ErrorContext error_context() { return {.backend = "pytorch", .device = "cpu"}; }

/// Runs f; what else it throws becomes `Error`, or OutOfMemoryError where memory ran out.
/// @param doing  what was tried, for the message: "load the model".
template <class Error, class F>
auto guarded(const char* doing, const F& f) {
  const auto out_of_memory = [&](const std::string& reason) {
    return OutOfMemoryError(
        fmt::format("Not enough memory to {}: {}. Use a smaller model, batch or "
                    "context, or free memory",
                    doing, reason),
        error_context());
  };
  try {
    return f();
  } catch (const MuAIError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw out_of_memory("an allocation failed");
  } catch (const c10::Error& error) {
    const std::string reason = error.what_without_backtrace();
    if (dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
        reason.find("can't allocate memory") != std::string::npos)
      throw out_of_memory(reason);
    throw Error(fmt::format("PyTorch could not {}: {}", doing, reason), error_context());
  } catch (const std::exception& error) {
    throw Error(fmt::format("PyTorch could not {}: {}", doing, error.what()), error_context());
  }
}

}  // namespace mm_orch::torch_backend
