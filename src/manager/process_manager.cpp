// The manager of the process.
#include <mutex>

#include "mm_orch/model_manager.h"

namespace mm_orch {
namespace {

std::mutex process_mutex;

// Never destroyed: a thread may still generate while the process exits.
std::shared_ptr<ModelManager>& process_manager() {
  static auto* manager = new std::shared_ptr<ModelManager>();
  return *manager;
}

}  // namespace

std::shared_ptr<ModelManager> get_model_manager() {
  const std::lock_guard lock(process_mutex);
  auto& manager = process_manager();
  if (!manager) manager = std::make_shared<ModelManager>();
  return manager;
}

std::shared_ptr<ModelManager> configure_model_manager(const ModelManagerOptions& options) {
  const auto next = std::make_shared<ModelManager>(options);
  auto old = next;
  {
    const std::lock_guard lock(process_mutex);
    process_manager().swap(old);
  }
  if (old) old->unload_all();
  return next;
}

}  // namespace mm_orch
