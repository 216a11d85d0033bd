// Outputs of a linear layer whose weight is [depth, outputs]: each is a sum in the order of the depth.
#pragma once

#include "float_linear.h"
#include "float_panel.h"

namespace nc_trainer {
namespace {

// The last outputs, fewer than a vector.
template <class V>
void last_columns(const FloatLinear& p, int64_t output, int64_t count) {
  for (int64_t row = 0; row < p.rows; ++row) {
    auto sum = V::zero();
    for (int64_t k = 0; k < p.depth; ++k)
      sum = V::fma(V::set(p.x[row * p.x_stride + k]), V::load(p.weight + k * p.weight_stride + output, count), sum);
    V::store(p.out + row * p.outputs + output, sum, count);
  }
}

template <class V>
void add_bias(const FloatLinear& p, int64_t first, int64_t last) {
  for (int64_t row = 0; row < p.rows; ++row)
    for (int64_t output = first; output < last; output += kLanesOfFloats) {
      float* const out = p.out + row * p.outputs + output;
      const int64_t count = last - output;
      V::store(out, V::add(V::load(out, count), V::load(p.bias + output, count)), count);
    }
}

constexpr int64_t kDepthBlock = 128;  // rows of the weight that stay in the L1 cache while the rows of x pass by

template <class V>
void whole_columns(const FloatLinear& p, int64_t output, int64_t vectors) {
  for (int64_t k = 0; k < p.depth; k += kDepthBlock)
    multiply_panel<V>({p.x + k, p.x_stride, p.weight + k * p.weight_stride + output, p.weight_stride, p.out + output,
                       p.outputs, p.rows, vectors, smaller(kDepthBlock, p.depth - k), k > 0});
  if (p.depth == 0) multiply_panel<V>({p.x, 0, p.weight, 0, p.out + output, p.outputs, p.rows, vectors, 0});
}

template <class V>
void sums_of_columns(const FloatLinear& p, int64_t first, int64_t last) {
  const int64_t whole = first + (last - first) / kLanesOfFloats * kLanesOfFloats;
  int64_t vectors = 0;
  for (int64_t output = first; output < whole; output += vectors * kLanesOfFloats) {
    vectors = smaller(V::kTileVectors, (whole - output) / kLanesOfFloats);
    whole_columns<V>(p, output, vectors);
  }
  if (whole < last) last_columns<V>(p, whole, last - whole);
  if (p.bias) add_bias<V>(p, first, last);
}

}  // namespace
}  // namespace nc_trainer
