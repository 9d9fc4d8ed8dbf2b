#include "request_pool.h"

#include <algorithm>

namespace mm_orch::openvino {

constexpr size_t kIdleRequests = 4;  // beyond that, their caches cost more than making new ones

ov::InferRequest RequestPool::acquire() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      ov::InferRequest request = std::move(idle_.back());
      idle_.pop_back();
      request.reset_state();
      return request;
    }
  }
  return model_.create_infer_request();
}

void RequestPool::release(ov::InferRequest request) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleRequests) idle_.push_back(std::move(request));
}

bool has_input(const ov::CompiledModel& model, const std::string& name) {
  const auto& inputs = model.inputs();
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const auto& input) { return input.get_names().count(name) > 0; });
}

}  // namespace mm_orch::openvino
