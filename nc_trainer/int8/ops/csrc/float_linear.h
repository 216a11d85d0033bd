// y = x W^T + bias in fp32, each output in an order of its own: its bits depend neither on the other rows nor on threads
// nor on the instruction set.
#pragma once

#include <cstdint>

namespace nc_trainer {

struct FloatLinear {
  const float* x;  // [rows, depth]
  int64_t x_stride;
  const float* weight;  // [outputs, depth], or [depth, outputs] where it is transposed
  int64_t weight_stride;
  bool transposed;
  const float* bias;  // [outputs] or null
  float* out;         // [rows, outputs], contiguous
  int64_t rows, outputs, depth;
};

// Computes the outputs [first, last) of all rows.
using FloatLinearKernel = void (*)(const FloatLinear& p, int64_t first, int64_t last);

void float_linear_avx512(const FloatLinear& p, int64_t first, int64_t last);
void float_linear_avx2(const FloatLinear& p, int64_t first, int64_t last);

void float_columns_avx512(const FloatLinear& p, int64_t first, int64_t last);
void float_columns_avx2(const FloatLinear& p, int64_t first, int64_t last);

// On the threads of torch, in the level in use.
void run(const FloatLinear& linear);

}  // namespace nc_trainer
