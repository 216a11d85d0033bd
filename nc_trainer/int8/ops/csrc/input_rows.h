// The input of an operator as rows, without a copy where its strides allow that.
#pragma once

#include "matmul.h"
#include "tensors.h"

namespace nc_trainer {

// A tensor [..., K] as rows [M, K] whose elements lie in one piece each, `stride` elements apart.
struct InputRows {
  Tensor tensor;
  int64_t m, k, stride;

  Rows rows(const int64_t* chosen) const {
    return {static_cast<const char*>(tensor.const_data_ptr()), stride * static_cast<int64_t>(tensor.element_size()),
            chosen};
  }
};

// The distance of the rows of `t`, or 0 where there is no such distance, as in some transposed or expanded tensors.
inline int64_t row_stride(const Tensor& t) {
  const Sizes sizes = t.sizes(), strides = t.strides();
  const size_t last = sizes.size() - 1;
  if (sizes[last] > 1 && strides[last] != 1) return 0;
  int64_t stride = 0, next = 0;  // `next`: what the stride of the dimension before has to be
  for (size_t i = last; i-- > 0;) {
    if (sizes[i] == 1) continue;
    if (strides[i] == 0 || (stride != 0 && strides[i] != next)) return 0;
    if (stride == 0) stride = strides[i];
    next = strides[i] * sizes[i];
  }
  return stride != 0 ? stride : sizes[last];
}

// A view where the strides allow it.
inline InputRows as_rows(const Tensor& x) {
  NC_TRAINER_CHECK(x.is_cpu() && x.dim() >= 1, "x must be a CPU tensor of shape [..., K], got ", x.sizes());
  const int64_t k = x.size(-1);
  int64_t m = 1;
  for (size_t i = 0; i + 1 < x.sizes().size(); ++i) m *= x.sizes()[i];
  const int64_t stride = row_stride(x);
  if (stride != 0) return {x, m, k, stride};
  return {made_contiguous(x), m, k, k};
}

}  // namespace nc_trainer
