// What the AVX-512 levels share: encoding of rows, products of few rows, and the way from accumulators to outputs.
// Codes are stored as code + 128, unsigned, as vpdpbusd wants them; what this adds is taken out by the offsets.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "activation.h"
#include "kernels.h"
#include "row_scale.h"

namespace nc_trainer {
namespace {

constexpr int64_t kWord = 4;                  // codes of one 32-bit word
constexpr int64_t kStep = 16 * kWord;         // codes of one row that are encoded at once: one vector
constexpr int64_t kAccStride = kPanelRows * kMaxPanels;

int64_t steps(int64_t k) { return (k + kStep - 1) / kStep; }
int64_t panel_bytes(int64_t k) { return steps(k) * kStep * kPanelRows; }
int64_t row_bytes(int64_t k) { return steps(k) * kStep; }

__mmask16 first16(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1); }
__mmask64 first64(int64_t n) { return n >= 64 ? ~0ull : n <= 0 ? 0 : (1ull << n) - 1; }

// ---- encoding ----

struct Float32 {
  using type = float;
  static __m512 load(const float* x) { return _mm512_loadu_ps(x); }
  static __m512 load(const float* x, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, x); }
};

struct BFloat16 {
  using type = uint16_t;
  static __m512 widen(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }
  static __m512 load(const uint16_t* x) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x))); }
  static __m512 load(const uint16_t* x, __mmask16 mask) { return widen(_mm256_maskz_loadu_epi16(mask, x)); }
};

// The bits of max |x|. As integers, the bits of non-negative floats are in their order and those of infinity and
// of every NaN come after, so that none is lost as it would be by vmaxps.
template <class Source>
int32_t absmax_bits(const typename Source::type* x, int64_t k) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i most[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  const auto take = [&](int part, __m512 v) {
    most[part] = _mm512_max_epi32(most[part], _mm512_and_si512(_mm512_castps_si512(v), magnitude));
  };
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep)
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) take(part, Source::load(x + i + 16 * part));
  for (; i < k; i += 16) take(0, Source::load(x + i, first16(k - i)));
  return _mm512_reduce_max_epi32(_mm512_max_epi32(_mm512_max_epi32(most[0], most[1]), _mm512_max_epi32(most[2], most[3])));
}

__m512i to_int32(__m512 v, __m512 inverse) { return _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse)); }

// 64 codes + 128 from four vectors of 16 values.
__m512i pack_codes(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  return _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), _mm512_set1_epi8(-128));
}

template <class Source>
__m512i encode64(const typename Source::type* x, int64_t left, float inverse) {
  const __m512 factor = _mm512_set1_ps(inverse);
  if (left >= kStep)
    return pack_codes(to_int32(Source::load(x), factor), to_int32(Source::load(x + 16), factor),
                      to_int32(Source::load(x + 32), factor), to_int32(Source::load(x + 48), factor));
  const auto part = [&](int64_t i) {
    return left > i ? to_int32(Source::load(x + i, first16(left - i)), factor) : _mm512_setzero_si512();
  };
  return pack_codes(part(0), part(16), part(32), part(48));
}

__m512i encode64_codes(const int8_t* x, int64_t left) {
  return _mm512_xor_si512(_mm512_maskz_loadu_epi8(first64(left), x), _mm512_set1_epi8(-128));
}

// Transposes 16 x 16 words of 32 bits.
void transpose16(__m512i v[16]) {
  __m512i a[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i low02 = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88), high13 = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
    const __m512i low02b = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    const __m512i high13b = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
    a[i] = _mm512_shuffle_i32x4(low02, low02b, 0x88);
    a[i + 8] = _mm512_shuffle_i32x4(low02, low02b, 0xdd);
    a[i + 4] = _mm512_shuffle_i32x4(high13, high13b, 0x88);
    a[i + 12] = _mm512_shuffle_i32x4(high13, high13b, 0xdd);
  }
  std::memcpy(v, a, sizeof a);
}

// Calls encode(row, offset, left) for the codes of each row and step, and writes the panel.
template <class Encode>
void write_panel(int64_t rows, int64_t k, void* panel, const Encode& encode) {
  auto* out = static_cast<__m512i*>(panel);
  for (int64_t i = 0; i < k; i += kStep, out += 16) {
    __m512i words[16];
    for (int64_t r = 0; r < 16; ++r) words[r] = r < rows ? encode(r, i, k - i) : _mm512_set1_epi8(-128);
    transpose16(words);
#pragma GCC unroll 16
    for (int word = 0; word < 16; ++word) _mm512_store_si512(out + word, words[word]);
  }
}

template <class Source>
void quantize_panel(const Rows& x, int64_t first, int64_t rows, int64_t k, void* panel, float* scales) {
  using T = typename Source::type;
  const T* row[kPanelRows];
  float inverse[kPanelRows];
  for (int64_t r = 0; r < rows; ++r) {
    row[r] = reinterpret_cast<const T*>(x.at(first + r));
    const RowScale found = scale_of(absmax_bits<Source>(row[r], k));
    scales[r] = found.scale;
    inverse[r] = found.inverse;
  }
  write_panel(rows, k, panel, [&](int64_t r, int64_t i, int64_t left) {
    return encode64<Source>(row[r] + i, left, inverse[r]);
  });
}

void encode_panel(const Rows& x, Element type, int64_t first, int64_t rows, int64_t k, void* panel, float* scales) {
  for (int64_t r = 0; r < kPanelRows; ++r) scales[r] = r < rows ? 1.0f : 0.0f;
  if (type == Element::kFloat32) return quantize_panel<Float32>(x, first, rows, k, panel, scales);
  if (type == Element::kBFloat16) return quantize_panel<BFloat16>(x, first, rows, k, panel, scales);
  write_panel(rows, k, panel, [&](int64_t r, int64_t i, int64_t left) {
    return encode64_codes(reinterpret_cast<const int8_t*>(x.at(first + r)) + i, left);
  });
}

template <class Encode>
void write_row(int64_t k, void* codes, const Encode& encode) {
  auto* out = static_cast<__m512i*>(codes);
  for (int64_t i = 0; i < k; i += kStep) _mm512_store_si512(out++, encode(i, k - i));
}

template <class Source>
float quantize_row(const void* x, int64_t k, void* codes) {
  const auto* row = static_cast<const typename Source::type*>(x);
  const RowScale found = scale_of(absmax_bits<Source>(row, k));
  write_row(k, codes, [&](int64_t i, int64_t left) { return encode64<Source>(row + i, left, found.inverse); });
  return found.scale;
}

float encode_row(const void* x, Element type, int64_t k, void* codes) {
  if (type == Element::kFloat32) return quantize_row<Float32>(x, k, codes);
  if (type == Element::kBFloat16) return quantize_row<BFloat16>(x, k, codes);
  const auto* row = static_cast<const int8_t*>(x);
  write_row(k, codes, [&](int64_t i, int64_t left) { return encode64_codes(row + i, left); });
  return 1.0f;
}

// Wraps around, as the accumulators do, which gcc's _mm512_reduce_add_epi32 may not.
int32_t sum_of(__m512i v) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1))));
}

// ---- weights ----

// The sum of a row of the weight, which `code + 128` adds 128 times.
int32_t offset_of(const int8_t* row, int64_t k) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < k; i += kStep)
    sum = _mm512_dpbusd_epi32(sum, ones, _mm512_maskz_loadu_epi8(first64(k - i), row + i));
  return -128 * sum_of(sum);
}

// Rows of the weight where they are if their length is a multiple of `unit`, else copied and padded with zeros.
// A distance that is a multiple of the page is copied too: the rows would push each other out of the cache.
template <int64_t Unit, int64_t Outputs>
Weights prepare_rows(const int8_t* weight, int64_t n, int64_t k, void* scratch, int32_t* offsets) {
  for (int64_t j = 0; j < n; ++j) offsets[j] = offset_of(weight + j * k, k);
  if (k % Unit == 0 && k % 4096 != 0 && (Unit < kStep || n == Outputs)) return {weight, k};
  const int64_t stride = row_bytes(k) + kStep;
  auto* copy = static_cast<int8_t*>(scratch);
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = 0; i < k; i += kStep)
      _mm512_store_si512(copy + j * stride + i, _mm512_maskz_loadu_epi8(first64(k - i), weight + j * k + i));
  return {copy, stride};
}

int64_t weight_row_bytes(int64_t k) { return row_bytes(k) + kStep; }

// ---- products of few rows: along k, each weight read once ----

template <int RowCount>
void dot_rows(const uint8_t* codes, const Weights& weights, int64_t n, int64_t k, int32_t* acc) {
  const int64_t stride = row_bytes(k);
  for (int64_t j = 0; j < n; ++j) {
    const int8_t* row = static_cast<const int8_t*>(weights.data) + j * weights.stride;
    __m512i sum[RowCount];
#pragma GCC unroll 8
    for (int r = 0; r < RowCount; ++r) sum[r] = _mm512_setzero_si512();
    for (int64_t i = 0; i < k; i += kStep) {
      const __m512i w = k - i >= kStep ? _mm512_loadu_si512(row + i) : _mm512_maskz_loadu_epi8(first64(k - i), row + i);
#pragma GCC unroll 8
      for (int r = 0; r < RowCount; ++r)
        sum[r] = _mm512_dpbusd_epi32(sum[r], _mm512_load_si512(codes + r * stride + i), w);
    }
#pragma GCC unroll 8
    for (int r = 0; r < RowCount; ++r) acc[j * kAccStride + r] = sum_of(sum[r]);
  }
}

void dot(const void* codes, int64_t rows, const Weights& weights, int64_t n, int64_t k, int32_t* acc) {
  const auto* x = static_cast<const uint8_t*>(codes);
  const int64_t stride = row_bytes(k);
  for (; rows >= 4; rows -= 4, x += 4 * stride, acc += 4) dot_rows<4>(x, weights, n, k, acc);
  for (; rows > 0; --rows, x += stride, ++acc) dot_rows<1>(x, weights, n, k, acc);
}

// ---- from accumulators to outputs ----

struct Float16Lanes {
  using type = __m512;
  static __m512 set(float x) { return _mm512_set1_ps(x); }
  static __m512 mul(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
  static __m512 div(__m512 a, __m512 b) { return _mm512_div_ps(a, b); }
  static __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
  static __m512 min(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
  static __m512 max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
  static __m512 sign_where_beyond(__m512 z, float limit, __m512 inside) {
    const __mmask16 high = _mm512_cmp_ps_mask(z, set(limit), _CMP_GE_OQ);
    const __mmask16 low = _mm512_cmp_ps_mask(z, set(-limit), _CMP_LE_OQ);
    return _mm512_mask_blend_ps(low, _mm512_mask_blend_ps(high, inside, set(1.0f)), set(-1.0f));
  }
};

template <Activation A>
__m512 activate(__m512 y) {
  using Act = Activations<Float16Lanes>;
  if constexpr (A == Activation::kGelu) return Act::gelu(y);
  if constexpr (A == Activation::kGeluTanh) return Act::gelu_tanh(y);
  if constexpr (A == Activation::kRelu) return Act::relu(y);
  if constexpr (A == Activation::kSilu) return Act::silu(y);
  if constexpr (A == Activation::kTanh) return Act::tanh(y);
  return y;
}

// The bits of y rounded to bf16, to nearest even, in the low halves of 32-bit lanes.
__m512i bfloat16_bits(__m512 y) {
  const __m512i bits = _mm512_castps_si512(y);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
  return _mm512_mask_blend_epi32(nan, _mm512_srli_epi32(rounded, 16), _mm512_set1_epi32(0x7fc0));
}

// Output j of all rows of the panel.
template <Activation A>
__m512 output_of(const Outputs& o, int64_t j, __m512 row_scales) {
  const __m512i acc = _mm512_add_epi32(_mm512_loadu_si512(o.acc + j * o.acc_stride), _mm512_set1_epi32(o.offsets[j]));
  __m512 y = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_set1_ps(o.scale[j])), row_scales);
  if (o.bias) y = _mm512_add_ps(y, _mm512_set1_ps(o.bias[j]));
  return activate<A>(y);
}

template <class Column>
void store_words(const Outputs& o, const Column& column) {
  for (int64_t first = 0; first < o.n; first += 16) {
    const int64_t n = o.n - first < 16 ? o.n - first : 16;
    __m512i v[16];
    for (int64_t j = 0; j < 16; ++j) v[j] = column(first + (j < n ? j : 0));
    transpose16(v);
    if (n == 16) {
      for (int64_t r = 0; r < o.rows; ++r) _mm512_storeu_si512(o.out[r] + 4 * first, v[r]);
    } else {
      for (int64_t r = 0; r < o.rows; ++r) _mm512_mask_storeu_epi32(o.out[r] + 4 * first, first16(n), v[r]);
    }
  }
}

// Pairs of neighbouring outputs make one word; 32 of them make 16 words of 16 rows.
template <class Column>
void store_halves(const Outputs& o, const Column& column) {
  for (int64_t first = 0; first < o.n; first += 32) {
    const int64_t n = o.n - first < 32 ? o.n - first : 32;
    __m512i v[16];
    for (int64_t j = 0; j < 16; ++j) {
      if (2 * j >= n) {
        v[j] = _mm512_setzero_si512();
        continue;
      }
      const __m512i even = bfloat16_bits(column(first + 2 * j));
      const __m512i odd = 2 * j + 1 < n ? bfloat16_bits(column(first + 2 * j + 1)) : even;
      v[j] = _mm512_or_si512(even, _mm512_slli_epi32(odd, 16));
    }
    transpose16(v);
    if (n == 32) {
      for (int64_t r = 0; r < o.rows; ++r) _mm512_storeu_si512(o.out[r] + 2 * first, v[r]);
    } else {
      const auto mask = static_cast<__mmask32>((1u << n) - 1);
      for (int64_t r = 0; r < o.rows; ++r) _mm512_mask_storeu_epi16(o.out[r] + 2 * first, mask, v[r]);
    }
  }
}

template <Activation A>
void finish_with(const Outputs& o) {
  const __m512 row_scales = _mm512_loadu_ps(o.row_scales);
  if (o.type == Element::kFloat32) {
    store_words(o, [&](int64_t j) { return _mm512_castps_si512(output_of<A>(o, j, row_scales)); });
  } else {
    store_halves(o, [&](int64_t j) { return output_of<A>(o, j, row_scales); });
  }
}

void finish(const Outputs& o) {
  if (o.type == Element::kInt32)
    return store_words(o, [&](int64_t j) {
      return _mm512_add_epi32(_mm512_loadu_si512(o.acc + j * o.acc_stride), _mm512_set1_epi32(o.offsets[j]));
    });
  switch (o.activation) {
    case Activation::kNone: return finish_with<Activation::kNone>(o);
    case Activation::kGelu: return finish_with<Activation::kGelu>(o);
    case Activation::kGeluTanh: return finish_with<Activation::kGeluTanh>(o);
    case Activation::kRelu: return finish_with<Activation::kRelu>(o);
    case Activation::kSilu: return finish_with<Activation::kSilu>(o);
    case Activation::kTanh: return finish_with<Activation::kTanh>(o);
  }
}

}  // namespace
}  // namespace nc_trainer
