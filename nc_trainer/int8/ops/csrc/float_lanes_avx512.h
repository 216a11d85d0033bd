// 16 floats in one register of 512 bits. See float_lanes_avx2.h, which gives the same bits.
#pragma once

#include "avx512_common.h"
#include "float_lanes.h"

namespace nc_trainer {
namespace {

struct Lanes512 {
  using type = __m512;
  static constexpr int64_t kTileVectors = 4;  // 6 rows x 4 vectors: 24 sums, 4 columns, 1 row
  static constexpr int64_t kDotRows = 4;      // 4 rows x 4 outputs: 16 sums, 4 weights, 1 row
  static constexpr int64_t kDotOutputs = 4;

  static __m512 zero() { return _mm512_setzero_ps(); }
  static __m512 set(float x) { return _mm512_set1_ps(x); }
  static __m512 load(const float* p) { return _mm512_loadu_ps(p); }
  static __m512 load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes16(n), p); }
  static void store(float* p, __m512 v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, __m512 v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes16(n), v); }
  static __m512 mul(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
  static __m512 add(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
  static __m512 sub(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
  static __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
  static __m512 max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
  static __m512 round(__m512 x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  // 2^n for integers n in [-126, 127].
  static __m512 power_of_two(__m512 n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
  }
  // y where x is not below the limit, else 0.
  static __m512 zero_below(__m512 x, float limit, __m512 y) {
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, set(limit), _CMP_LT_OQ), zero());
  }
  static __m256 halves_added(__m512 v) { return _mm256_add_ps(low(v), high(v)); }
  static __m256 larger_half(__m512 v) { return _mm256_max_ps(low(v), high(v)); }

 private:
  static __m256 low(__m512 v) { return _mm512_castps512_ps256(v); }
  static __m256 high(__m512 v) { return _mm512_extractf32x8_ps(v, 1); }
};

}  // namespace
}  // namespace nc_trainer
