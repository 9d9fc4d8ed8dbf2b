#include "ops/parallel.h"

#include <ATen/Parallel.h>

namespace mm_orch::torch_backend {
namespace {

thread_local int own_count = 0;

int default_count() {
  static const int count = at::get_num_threads();
  return count;
}

}  // namespace

// In torch the number belongs to the process and, in its OpenMP, to the calling thread.
void use_threads(int count) {
  default_count();  // before it is changed
  own_count = count;
  if (count > 0 && at::get_num_threads() != count) at::set_num_threads(count);
}

int thread_count() { return own_count > 0 ? own_count : default_count(); }

}  // namespace mm_orch::torch_backend
