// Arithmetic on 16 floats that gives the same bits on every instruction set: fp32 products, sums and exp in an order that
// depends neither on the width of registers nor on how many rows are computed together.
#pragma once

#include <immintrin.h>

#include "arithmetic.h"

namespace nc_trainer {
namespace {

constexpr int64_t kLanesOfFloats = 16;

// Eight lanes to one: 4 + 4, 2 + 2, 1 + 1.
float sum_of_eight(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

float largest_of_eight(__m256 v) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_shuffle_ps(most, most, 1)));
}

template <class V>
float sum_of(typename V::type v) {
  return sum_of_eight(V::halves_added(v));
}

template <class V>
float largest_of(typename V::type v) {
  return largest_of_eight(V::larger_half(v));
}

// exp(x) for x <= 0: relative error below 2e-7, 0 below -87, NaN for NaN. The polynomial is that of Cephes' expf.
template <class V>
typename V::type exp_of(typename V::type x) {
  constexpr float kLowest = -87.0f;
  const auto inside = V::max(V::set(kLowest), x);
  const auto n = V::round(V::mul(inside, V::set(1.44269504f)));
  auto r = V::fma(n, V::set(-0.693359375f), inside);
  r = V::fma(n, V::set(2.12194440e-4f), r);
  auto y = V::set(1.9875691500e-4f);
  y = V::fma(y, r, V::set(1.3981999507e-3f));
  y = V::fma(y, r, V::set(8.3334519073e-3f));
  y = V::fma(y, r, V::set(4.1665795894e-2f));
  y = V::fma(y, r, V::set(1.6666665459e-1f));
  y = V::fma(y, r, V::set(5.0000001201e-1f));
  y = V::add(V::fma(y, V::mul(r, r), r), V::set(1.0f));
  return V::zero_below(x, kLowest, V::mul(y, V::power_of_two(n)));
}

}  // namespace
}  // namespace nc_trainer
