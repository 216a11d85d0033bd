// 16 floats in two registers of 256 bits. See float_lanes_avx512.h, which gives the same bits.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "float_lanes.h"

namespace nc_trainer {
namespace {

struct Lanes2x256 {
  struct type {
    __m256 low, high;
  };
  static constexpr int64_t kTileVectors = 1;  // 6 rows x 1 vector: 12 sums, 2 columns, 1 row
  static constexpr int64_t kDotRows = 2;      // 2 rows x 2 outputs: 8 sums, 4 weights, 2 rows
  static constexpr int64_t kDotOutputs = 2;

  static type zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static type set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static type load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static type load(const float* p, int64_t n) {
    if (n >= kLanesOfFloats) return load(p);
    float some[kLanesOfFloats] = {};
    std::memcpy(some, p, n * sizeof *p);
    return load(some);
  }
  static void store(float* p, type v) {
    _mm256_storeu_ps(p, v.low);
    _mm256_storeu_ps(p + 8, v.high);
  }
  static void store(float* p, type v, int64_t n) {
    if (n >= kLanesOfFloats) return store(p, v);
    float some[kLanesOfFloats];
    store(some, v);
    std::memcpy(p, some, n * sizeof *p);
  }
  static type mul(type a, type b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static type add(type a, type b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static type sub(type a, type b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static type max(type a, type b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static type fma(type a, type b, type c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static type round(type x) { return {round(x.low), round(x.high)}; }

  // 2^n for integers n in [-126, 127].
  static type power_of_two(type n) { return {power_of_two(n.low), power_of_two(n.high)}; }
  // y where x is not below the limit, else 0.
  static type zero_below(type x, float limit, type y) {
    return {zero_below(x.low, limit, y.low), zero_below(x.high, limit, y.high)};
  }
  static __m256 halves_added(type v) { return _mm256_add_ps(v.low, v.high); }
  static __m256 larger_half(type v) { return _mm256_max_ps(v.low, v.high); }

 private:
  static __m256 round(__m256 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static __m256 power_of_two(__m256 n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }
  static __m256 zero_below(__m256 x, float limit, __m256 y) {
    return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LT_OQ), y);
  }
};

}  // namespace
}  // namespace nc_trainer
