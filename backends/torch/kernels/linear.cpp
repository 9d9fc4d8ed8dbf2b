#include "kernels/linear_tile.h"

namespace mm_orch::torch_backend::kernels {

MM_ORCH_KERNEL(linear, linear_body, (const LinearArgs& args, int64_t first, int64_t last),
               (args, first, last))

}  // namespace mm_orch::torch_backend::kernels
