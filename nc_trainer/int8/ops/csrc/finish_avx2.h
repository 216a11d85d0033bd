// From accumulators to outputs on 256 bits: scales, bias, activation, rounding, and turning [output][row] into rows.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "activation.h"
#include "kernels.h"

namespace nc_trainer {
namespace {

// Transposes 8 x 8 words of 32 bits.
void transpose8(__m256i v[8]) {
  __m256i a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    v[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

struct Float8Lanes {
  using type = __m256;
  static __m256 set(float x) { return _mm256_set1_ps(x); }
  static __m256 mul(__m256 a, __m256 b) { return _mm256_mul_ps(a, b); }
  static __m256 div(__m256 a, __m256 b) { return _mm256_div_ps(a, b); }
  static __m256 fma(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
  static __m256 min(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
  static __m256 max(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
  static __m256 sign_where_beyond(__m256 z, float limit, __m256 inside) {
    const __m256 high = _mm256_cmp_ps(z, set(limit), _CMP_GE_OQ), low = _mm256_cmp_ps(z, set(-limit), _CMP_LE_OQ);
    return _mm256_blendv_ps(_mm256_blendv_ps(inside, set(1.0f), high), set(-1.0f), low);
  }
};

__m256 activate(Activation activation, __m256 y) {
  using Act = Activations<Float8Lanes>;
  switch (activation) {
    case Activation::kGelu: return Act::gelu(y);
    case Activation::kGeluTanh: return Act::gelu_tanh(y);
    case Activation::kRelu: return Act::relu(y);
    case Activation::kSilu: return Act::silu(y);
    case Activation::kTanh: return Act::tanh(y);
    case Activation::kNone: break;
  }
  return y;
}

// The bits of y rounded to bf16, to nearest even, in the low halves of 32-bit lanes.
__m256i bfloat16_bits(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), _mm256_set1_epi32(0x7fc0), nan);
}

// Output j of eight rows, from `row` on: an int32, an fp32, or a bf16 in the low half of each lane.
__m256i output_of(const Outputs& o, int64_t j, int64_t row) {
  const auto* source = reinterpret_cast<const __m256i*>(o.acc + j * o.acc_stride + row);
  const __m256i acc = _mm256_add_epi32(_mm256_loadu_si256(source), _mm256_set1_epi32(o.offsets[j]));
  if (o.type == Element::kInt32) return acc;
  const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_set1_ps(o.scale[j]));
  __m256 y = _mm256_mul_ps(scaled, _mm256_loadu_ps(o.row_scales + row));
  if (o.bias) y = _mm256_add_ps(y, _mm256_set1_ps(o.bias[j]));
  y = activate(o.activation, y);
  return o.type == Element::kBFloat16 ? bfloat16_bits(y) : _mm256_castps_si256(y);
}

// Eight 32-bit lanes, or their low halves, of which the first n count.
void store8(char* out, __m256i v, int64_t n, bool halves) {
  alignas(32) char bytes[32];
  if (halves) v = _mm256_permute4x64_epi64(_mm256_packus_epi32(v, v), _MM_SHUFFLE(3, 1, 2, 0));
  if (n == 8 && !halves) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
  if (n == 8) return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(v));
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), v);
  std::memcpy(out, bytes, n * (halves ? 2 : 4));
}

void finish(const Outputs& o) {
  const bool halves = o.type == Element::kBFloat16;
  for (int64_t first = 0; first < o.n; first += 8) {
    const int64_t n = o.n - first < 8 ? o.n - first : 8;
    for (int64_t row = 0; row < o.rows; row += 8) {
      __m256i v[8];
      for (int64_t j = 0; j < 8; ++j) v[j] = j < n ? output_of(o, first + j, row) : _mm256_setzero_si256();
      transpose8(v);
      for (int64_t r = 0; r < 8 && row + r < o.rows; ++r)
        store8(o.out[row + r] + first * (halves ? 2 : 4), v[r], n, halves);
    }
  }
}

}  // namespace
}  // namespace nc_trainer
