#include "frame.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace mm_orch::torch_backend {

at::Tensor View::tensor() const {
  return at::from_blob(data, {rows, columns}, {stride, 1}, at::kFloat);
}

void Frame::bind(const BufferPlan& plan, int64_t rows) {
  if (rows == bound_rows_) return;
  bound_rows_ = 0;
  if (rows > room_) {
    room_ = 0;
    buffers_.clear();
    for (const int64_t width : plan.widths)
      buffers_.push_back(at::empty({rows, width}, at::kFloat));
    room_ = rows;
  }
  values.assign(plan.values.size(), {});
  for (size_t i = 0; i < plan.values.size(); ++i) {
    const auto& place = plan.values[i];
    if (place.buffer < 0) continue;
    const int64_t width = plan.widths[place.buffer];
    values[i] = {buffers_[place.buffer].data_ptr<float>() + place.first_column, rows, place.columns,
                 width};
  }
  bound_rows_ = rows;
}

}  // namespace mm_orch::torch_backend
