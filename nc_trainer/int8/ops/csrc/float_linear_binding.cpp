// The operator of linear layers that stay in fp32, as torch sees it.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <vector>

#include "float_linear.h"
#include "tensors.h"

namespace nc_trainer {
namespace {

void check_float(const Tensor& t, const char* name) {
  NC_TRAINER_CHECK(t.is_cpu() && t.scalar_type() == ScalarType::Float, name, " must be an fp32 CPU tensor, got ",
                   dtype_of(t), " ", t.sizes());
}

Tensor float_linear(const Tensor& x, const Tensor& weight, const std::optional<Tensor>& bias, bool transposed) {
  check_float(x, "x");
  check_float(weight, "weight");
  NC_TRAINER_CHECK(x.dim() >= 1 && weight.dim() == 2 && x.size(-1) == weight.size(transposed ? 0 : 1), "x ",
                   x.sizes(), " does not fit a weight ", weight.sizes());
  const int64_t outputs = weight.size(transposed ? 1 : 0), depth = x.size(-1);
  if (bias) {
    check_float(*bias, "bias");
    NC_TRAINER_CHECK(bias->dim() == 1 && bias->size(0) == outputs, "bias must have the shape [", outputs, "], got ",
                     bias->sizes());
  }
  const bool two = x.dim() == 2;  // its rows may lie apart, as those of one token of each row of a batch do
  const Tensor dense = two ? with_dense_rows(x) : made_contiguous(x), w = with_dense_rows(weight);
  const std::optional<Tensor> b = bias ? std::optional(made_contiguous(*bias)) : std::nullopt;
  std::vector<int64_t> shape(x.sizes().begin(), x.sizes().end());
  const int64_t rows = std::reduce(shape.begin(), shape.end() - 1, int64_t{1}, std::multiplies<>());
  shape.back() = outputs;
  Tensor out = empty(shape, dtype_number(x));
  run({.x = static_cast<const float*>(dense.const_data_ptr()),
       .x_stride = two ? dense.stride(0) : depth,
       .weight = static_cast<const float*>(w.const_data_ptr()),
       .weight_stride = w.stride(0),
       .transposed = transposed,
       .bias = b ? static_cast<const float*>(b->const_data_ptr()) : nullptr,
       .out = static_cast<float*>(out.mutable_data_ptr()),
       .rows = rows,
       .outputs = outputs,
       .depth = depth});
  return out;
}

}  // namespace
}  // namespace nc_trainer

STABLE_TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def("float_linear(Tensor x, Tensor weight, Tensor? bias, bool transposed=False) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) { m.impl("float_linear", TORCH_BOX(&nc_trainer::float_linear)); }
