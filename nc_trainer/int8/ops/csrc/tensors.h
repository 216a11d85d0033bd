// What the operators' checks and calls share.
#pragma once

#include <ATen/core/Tensor.h>

namespace nc_trainer {

// The tensor with its last dimension in one piece each; its rows may lie apart.
inline at::Tensor with_dense_rows(const at::Tensor& t) {
  return t.size(-1) <= 1 || t.stride(-1) == 1 ? t : t.contiguous();
}

}  // namespace nc_trainer
