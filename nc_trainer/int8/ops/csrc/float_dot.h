// Outputs of a linear layer as dot products of rows: lane i of 16 sums the products at i, i + 16, i + 32, ..., and the
// lanes are added pair by pair.
#pragma once

#include "float_lanes.h"
#include "float_linear.h"

namespace nc_trainer {
namespace {

template <class V, int Rows, int Outputs>
void dot_tile(const FloatLinear& p, int64_t row, int64_t output) {
  const float *const x = p.x + row * p.x_stride, *const w = p.weight + output * p.weight_stride;
  typename V::type sums[Rows][Outputs];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int o = 0; o < Outputs; ++o) sums[r][o] = V::zero();
  const auto step = [&](const auto& load) {
    typename V::type weights[Outputs];
#pragma GCC unroll 4
    for (int o = 0; o < Outputs; ++o) weights[o] = load(w + o * p.weight_stride);
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
      const auto values = load(x + r * p.x_stride);
#pragma GCC unroll 4
      for (int o = 0; o < Outputs; ++o) sums[r][o] = V::fma(values, weights[o], sums[r][o]);
    }
  };
  int64_t k = 0;
  for (; k + kLanesOfFloats <= p.depth; k += kLanesOfFloats) step([k](const float* q) { return V::load(q + k); });
  if (k < p.depth) step([&](const float* q) { return V::load(q + k, p.depth - k); });
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int o = 0; o < Outputs; ++o)
      p.out[(row + r) * p.outputs + output + o] = sum_of<V>(sums[r][o]) + (p.bias ? p.bias[output + o] : 0.0f);
}

template <class V, int Rows>
void dot_rows(const FloatLinear& p, int64_t row, int64_t first, int64_t last) {
  int64_t output = first;
  for (; output + V::kDotOutputs <= last; output += V::kDotOutputs) dot_tile<V, Rows, V::kDotOutputs>(p, row, output);
  for (; output < last; ++output) dot_tile<V, Rows, 1>(p, row, output);
}

template <class V>
void dot_products(const FloatLinear& p, int64_t first, int64_t last) {
  int64_t row = 0;
  for (; row + V::kDotRows <= p.rows; row += V::kDotRows) dot_rows<V, V::kDotRows>(p, row, first, last);
  for (; row < p.rows; ++row) dot_rows<V, 1>(p, row, first, last);
}

}  // namespace
}  // namespace nc_trainer
