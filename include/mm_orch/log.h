// The library's log: it never prints, it hands each record to one sink. The
// shell writes records to stderr, the Python package to `logging.getLogger("mm_orch")`.
// Thread-safe; the sink is called without any lock of the library held.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mm_orch/export.h"

namespace mm_orch {

enum class LogLevel { kDebug = 10, kInfo = 20, kWarning = 30, kError = 40 };  // as Python's logging

using LogSink = std::function<void(LogLevel, std::string_view message)>;

/// Replaces the sink; an empty function drops all records. Off value: empty (the default).
MM_ORCH_EXPORT void set_log_sink(LogSink sink);

/// Hands a record to the sink.
MM_ORCH_EXPORT void log(LogLevel level, std::string_view message);

}  // namespace mm_orch
