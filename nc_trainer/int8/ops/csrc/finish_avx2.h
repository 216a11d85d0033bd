// From accumulators to outputs on 256 bits: scales, bias, activation, rounding.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "activation_functions.h"
#include "arithmetic.h"
#include "kernels.h"

namespace nc_trainer {
namespace {

struct Float8Lanes {
  using type = __m256;
  static __m256 set(float x) { return _mm256_set1_ps(x); }
  static __m256 sub(__m256 a, __m256 b) { return _mm256_sub_ps(a, b); }
  static __m256 mul(__m256 a, __m256 b) { return _mm256_mul_ps(a, b); }
  static __m256 div(__m256 a, __m256 b) { return _mm256_div_ps(a, b); }
  static __m256 abs(__m256 a) { return _mm256_andnot_ps(set(-0.0f), a); }
  static __m256 fma(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
  static __m256 min(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
  static __m256 max(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
  static __m256 sign_where_beyond(__m256 z, float limit, __m256 inside) {
    const __m256 high = _mm256_cmp_ps(z, set(limit), _CMP_GE_OQ), low = _mm256_cmp_ps(z, set(-limit), _CMP_LE_OQ);
    return _mm256_blendv_ps(_mm256_blendv_ps(inside, set(1.0f), high), set(-1.0f), low);
  }
  static __m256 lookup(const float* table, __m256 number) {
    const __m256i bits = _mm256_castps_si256(number);  // three of them choose in a half, the fourth chooses the half
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), bits);
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), bits);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(bits, 28)));
  }
};

// The bits of y rounded to bf16, to nearest even, in the low halves of 32-bit lanes.
__m256i bfloat16_bits(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), _mm256_set1_epi32(0x7fc0), nan);
}

// Eight values of which the first n exist, the rest zero.
__m256 load_some(const float* p, int64_t n) {
  if (n >= 8) return _mm256_loadu_ps(p);
  float some[8] = {};
  std::memcpy(some, p, n * sizeof *p);
  return _mm256_loadu_ps(some);
}

// The first n of eight 32-bit lanes, or of their low halves.
void store_some(char* out, __m256i v, int64_t n, bool halves) {
  alignas(32) char bytes[32];
  if (halves) v = _mm256_permute4x64_epi64(_mm256_packus_epi32(v, v), _MM_SHUFFLE(3, 1, 2, 0));
  if (n == 8 && !halves) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
  if (n == 8) return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(v));
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), v);
  std::memcpy(out, bytes, n * (halves ? 2 : 4));
}

template <Activation A>
__m256i output_of(const Outputs& o, int64_t r, int64_t j, int64_t n, __m256i acc) {
  const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), load_some(o.scale + j, n));
  __m256 y = _mm256_mul_ps(scaled, _mm256_set1_ps(o.factors[r].scale));
  if (o.bias) y = _mm256_add_ps(y, load_some(o.bias + j, n));
  using Act = Activations<Float8Lanes>;
  return o.type == Element::kBFloat16 ? bfloat16_bits(Act::apply_for_bfloat16<A>(y))
                                      : _mm256_castps_si256(Act::apply<A>(y));
}

template <Activation A>
void finish_with(const Outputs& o) {
  const bool halves = o.type == Element::kBFloat16;
  for (int64_t r = 0; r < o.rows; ++r)
    for (int64_t j = 0; j < o.n; j += 8) {
      const int64_t n = smaller(o.n - j, 8);
      const __m256i sums = _mm256_load_si256(reinterpret_cast<const __m256i*>(o.acc + r * kAccStride + j));
      const __m256i acc = _mm256_add_epi32(sums, _mm256_set1_epi32(o.factors[r].offset));
      const __m256i y = o.type == Element::kInt32 ? acc : output_of<A>(o, r, j, n, acc);
      store_some(o.out[r] + j * (halves ? 2 : 4), y, n, halves);
    }
}

void finish(const Outputs& o) {
  with_activation(o.activation, [&]<Activation A>() { finish_with<A>(o); });
}

void activate(Activation activation, const float* x, int64_t n, float* out) {
  with_activation(activation, [&]<Activation A>() {
    for (int64_t i = 0; i < n; i += 8) {
      const __m256 y = Activations<Float8Lanes>::apply<A>(load_some(x + i, n - i));
      store_some(reinterpret_cast<char*>(out + i), _mm256_castps_si256(y), smaller(n - i, 8), false);
    }
  });
}

}  // namespace
}  // namespace nc_trainer
