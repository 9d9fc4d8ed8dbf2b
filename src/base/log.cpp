#include "mm_orch/log.h"

#include <memory>
#include <mutex>

namespace mm_orch {
namespace {

std::mutex sink_mutex;

// Never destroyed: plug-ins may log while the process exits.
std::shared_ptr<const LogSink>& current_sink() {
  static auto* sink = new std::shared_ptr<const LogSink>();
  return *sink;
}

}  // namespace

void set_log_sink(LogSink sink) {
  auto replacement = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(sink_mutex);
  current_sink().swap(replacement);
}

void log(LogLevel level, std::string_view message) {
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard lock(sink_mutex);
    sink = current_sink();
  }
  if (sink) (*sink)(level, message);
}

}  // namespace mm_orch
