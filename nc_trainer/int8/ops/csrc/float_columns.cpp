// What is added to the outputs of an int8 product for the few columns of the input that are multiplied in float.
#include <torch/csrc/stable/library.h>

#include "parallel.h"
#include "tensors.h"

namespace nc_trainer {
namespace {

constexpr int64_t kTaskProducts = 1 << 16;  // multiplications worth waking another thread for

const float* floats(const Tensor& t, int64_t rows, int64_t columns, const char* name) {
  NC_TRAINER_CHECK(t.is_cpu() && t.scalar_type() == ScalarType::Float && t.dim() == 2 && t.is_contiguous() &&
                       t.size(0) == rows && t.size(1) == columns,
                   name, " must be a contiguous fp32 CPU tensor of shape [", rows, ", ", columns, "], got ",
                   dtype_of(t), " ", t.sizes());
  return t.const_data_ptr<float>();
}

// y[r][j] = y[r][j] + x[r][c] * weight[c][j] for c = 0, 1, ..., rounded to fp32 after the product and after the sum: this
// file is compiled without instructions that would round once.
void add_columns(Tensor y, const Tensor& x, const Tensor& weight) {
  NC_TRAINER_CHECK(y.dim() == 2 && x.dim() == 2, "y and x must have two dimensions");
  const int64_t m = y.size(0), n = y.size(1), columns = x.size(1);
  const float *picked = floats(x, m, columns, "x"), *weights = floats(weight, columns, n, "weight");
  floats(y, m, n, "y");
  float* const out = y.mutable_data_ptr<float>();
  const int64_t grain = std::max<int64_t>(kTaskProducts / std::max<int64_t>(n * columns, 1), 1);
  parallel_for(0, m, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const float value = picked[r * columns + c];
        float* const row = out + r * n;
        for (int64_t j = 0; j < n; ++j) row[j] = row[j] + value * weights[c * n + j];
      }
  });
}

}  // namespace
}  // namespace nc_trainer

STABLE_TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def("add_columns(Tensor(a!) y, Tensor x, Tensor weight) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) { m.impl("add_columns", TORCH_BOX(&nc_trainer::add_columns)); }
