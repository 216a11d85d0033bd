// AVX2: codes and weights are widened to int16 and multiplied by vpmaddwd, which cannot saturate. vpmaddubsw would
// take int8, but its 16-bit sums saturate for full-range weights, and keeping them from it costs what it saved.
#include <immintrin.h>

#include <cstring>

#include "kernels.h"

namespace nc_trainer {
namespace {

constexpr int64_t kStep = 16;        // elements of one 256-bit vector of int16
constexpr int64_t kTileRows = 6;     // 6 rows x 2 vectors: 12 accumulators, 2 weights, 1 code, 1 product
static_assert(kTileRows <= kMaxTileRows);
constexpr int64_t kRowPadding = 64;  // keeps the rows of a tile out of one cache set when k is a power of two
constexpr float kTiny = 1e-30f;

int64_t steps(int64_t k) { return (k + kStep - 1) / kStep; }

int64_t row_bytes(int64_t k) { return steps(k) * kStep * 2 + kRowPadding; }

int64_t panel_bytes(int64_t k) { return steps(k) * kStep * kPanel; }

// ---- encoding of one row ----

struct Float32 {
  using type = float;
  static __m256 load8(const float* x) { return _mm256_loadu_ps(x); }
};

struct BFloat16 {
  using type = uint16_t;
  static __m256 load8(const uint16_t* x) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
};

int32_t largest(__m256i v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(1, 0, 3, 2)));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(m);
}

// Calls visit(pointer, offset) for each kStep elements of x, the last of them in a copy padded with zeros.
template <class T, class Visit>
void for_each_step(const T* x, int64_t k, const Visit& visit) {
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) visit(x + i, i);
  if (i == k) return;
  T tail[kStep] = {};
  std::memcpy(tail, x + i, (k - i) * sizeof(T));
  visit(tail, i);
}

// The bits of max |x|. As integers, the bits of non-negative floats are in their order and those of infinity and
// of every NaN come after, so that none is lost as it would be by maxps.
template <class Source>
int32_t absmax_bits(const typename Source::type* x, int64_t k) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i low = _mm256_setzero_si256(), high = low;
  for_each_step(x, k, [&](const typename Source::type* p, int64_t) {
    low = _mm256_max_epi32(low, _mm256_and_si256(_mm256_castps_si256(Source::load8(p)), magnitude));
    high = _mm256_max_epi32(high, _mm256_and_si256(_mm256_castps_si256(Source::load8(p + 8)), magnitude));
  });
  return largest(_mm256_max_epi32(low, high));
}

template <class Source>
float quantize_row(const typename Source::type* x, int64_t k, int16_t* codes) {
  const int32_t bits = absmax_bits<Source>(x, k);
  float absmax;
  std::memcpy(&absmax, &bits, sizeof absmax);
  const bool finite = bits < 0x7f800000;
  if (!finite || absmax < kTiny) {
    std::memset(codes, 0, steps(k) * kStep * sizeof *codes);
    return finite ? 0.0f : __builtin_nanf("");
  }
  const __m256 inverse = _mm256_set1_ps(127.0f / absmax);
  for_each_step(x, k, [&](const typename Source::type* p, int64_t offset) {
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(Source::load8(p), inverse));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(Source::load8(p + 8), inverse));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), _MM_SHUFFLE(3, 1, 2, 0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + offset), both);
  });
  return absmax / 127.0f;
}

__m256i widen16(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

float encode_row(const void* x, Element type, int64_t k, void* out) {
  auto* codes = static_cast<int16_t*>(out);
  if (type == Element::kFloat32) return quantize_row<Float32>(static_cast<const float*>(x), k, codes);
  if (type == Element::kBFloat16) return quantize_row<BFloat16>(static_cast<const uint16_t*>(x), k, codes);
  for_each_step(static_cast<const int8_t*>(x), k, [&](const int8_t* p, int64_t offset) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + offset), widen16(p));
  });
  return 1.0f;
}

// ---- packed weights: for each pair of neighbouring k, the pairs of kPanel outputs side by side, still int8 ----

// Transposes an 8 x 8 matrix of 16-bit units in each half of the vectors.
void transpose8(__m256i v[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    b[4 * i + 0] = _mm256_unpacklo_epi32(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm256_unpackhi_epi32(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm256_unpacklo_epi32(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm256_unpackhi_epi32(a[4 * i + 1], a[4 * i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    v[2 * i] = _mm256_unpacklo_epi64(b[i], b[i + 4]);
    v[2 * i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 4]);
  }
}

__m128i load_step(const int8_t* row, int64_t left) {
  if (left >= kStep) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
  alignas(16) int8_t tail[kStep] = {};
  std::memcpy(tail, row, left);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(tail));
}

void pack_panel(const int8_t* weight, int64_t n, int64_t k, void* out) {
  auto* panel = static_cast<__m256i*>(out);
  const auto step_of = [=](int64_t output, int64_t i) {
    return output < n ? load_step(weight + output * k + i, k - i) : _mm_setzero_si128();
  };
  for (int64_t i = 0; i < k; i += kStep, panel += kStep / 2) {
    __m256i rows[8];
    for (int64_t r = 0; r < 8; ++r) rows[r] = _mm256_set_m128i(step_of(r + 8, i), step_of(r, i));
    transpose8(rows);
    for (int64_t pair = 0; pair < 8; ++pair) _mm256_store_si256(panel + pair, rows[pair]);
  }
}

// ---- products ----

template <int Rows>
void multiply_tile(const char* codes, const __m128i* panel, int64_t k, int32_t* accumulators) {
  __m256i acc[Rows][2];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
  const int64_t stride = row_bytes(k);
  const int64_t pairs = steps(k) * kStep / 2;
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const __m256i w0 = _mm256_cvtepi8_epi16(_mm_load_si128(panel + 2 * pair));
    const __m256i w1 = _mm256_cvtepi8_epi16(_mm_load_si128(panel + 2 * pair + 1));
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      int32_t two_codes;
      std::memcpy(&two_codes, codes + r * stride + 4 * pair, sizeof two_codes);
      const __m256i x = _mm256_set1_epi32(two_codes);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(x, w0));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(x, w1));
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(accumulators + r * kPanel), acc[r][0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(accumulators + r * kPanel + 8), acc[r][1]);
  }
}

void multiply_packed(const void* codes, int64_t rows, const void* panel, int64_t k, int32_t* accumulators) {
  const auto* x = static_cast<const char*>(codes);
  const auto* w = static_cast<const __m128i*>(panel);
  switch (rows) {
    case 1: return multiply_tile<1>(x, w, k, accumulators);
    case 2: return multiply_tile<2>(x, w, k, accumulators);
    case 3: return multiply_tile<3>(x, w, k, accumulators);
    case 4: return multiply_tile<4>(x, w, k, accumulators);
    case 5: return multiply_tile<5>(x, w, k, accumulators);
    default: return multiply_tile<kTileRows>(x, w, k, accumulators);
  }
}

int32_t sum_of(__m256i v) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(sum);
}

template <int Outputs>
void dot(const int16_t* codes, const int8_t* weight, int64_t k, int32_t* accumulators) {
  __m256i acc[Outputs];
  for (int j = 0; j < Outputs; ++j) acc[j] = _mm256_setzero_si256();
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
#pragma GCC unroll 4
    for (int j = 0; j < Outputs; ++j)
      acc[j] = _mm256_add_epi32(acc[j], _mm256_madd_epi16(x, widen16(weight + j * k + i)));
  }
  for (int j = 0; j < Outputs; ++j) {
    accumulators[j] = sum_of(acc[j]);
    for (int64_t tail = i; tail < k; ++tail) accumulators[j] += codes[tail] * weight[j * k + tail];
  }
}

void multiply_plain(const void* codes, const int8_t* weight, int64_t n, int64_t k, int32_t* accumulators) {
  const auto* x = static_cast<const int16_t*>(codes);
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) dot<4>(x, weight + j * k, k, accumulators + j);
  for (; j < n; ++j) dot<1>(x, weight + j * k, k, accumulators + j);
}

// ---- from accumulators to outputs ----

// The first n <= kPanel elements of `source`, the rest filled up.
struct Lane16 {
  Lane16(const float* source, int64_t n, float filler) {
    alignas(32) float padded[kPanel];
    const float* from = source;
    if (source == nullptr || n < kPanel) {
      for (int64_t j = 0; j < kPanel; ++j) padded[j] = source != nullptr && j < n ? source[j] : filler;
      from = padded;
    }
    low = _mm256_loadu_ps(from);
    high = _mm256_loadu_ps(from + 8);
  }
  __m256 low, high;
};

// The bits of y rounded to bf16, to nearest even, in the low halves of 32-bit lanes.
__m256i bfloat16_bits(__m256 y) {
  const __m256i bits = _mm256_castps_si256(y);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), _mm256_set1_epi32(0x7fc0), nan);
}

void store16(float* out, __m256 low, __m256 high) {
  _mm256_storeu_ps(out, low);
  _mm256_storeu_ps(out + 8, high);
}

void store16(uint16_t* out, __m256 low, __m256 high) {
  const __m256i both = _mm256_packus_epi32(bfloat16_bits(low), bfloat16_bits(high));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute4x64_epi64(both, _MM_SHUFFLE(3, 1, 2, 0)));
}

__m256 dequantize8(const int32_t* accumulators, __m256 scale, __m256 row_scale, __m256 bias) {
  const __m256 acc = _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(accumulators)));
  return _mm256_add_ps(_mm256_mul_ps(_mm256_mul_ps(acc, scale), row_scale), bias);
}

template <class T>
void dequantize_to(T* out, const Tile& tile) {
  const Lane16 scale(tile.scale, tile.n, 0.0f);
  const Lane16 bias(tile.bias, tile.n, -0.0f);  // y + -0 is y for every y, and for y = -0 too
  for (int64_t r = 0; r < tile.rows; ++r, out += tile.out_stride) {
    const int32_t* acc = tile.accumulators + r * kPanel;
    const __m256 row_scale = _mm256_set1_ps(tile.row_scales[r]);
    const __m256 low = dequantize8(acc, scale.low, row_scale, bias.low);
    const __m256 high = dequantize8(acc + 8, scale.high, row_scale, bias.high);
    if (tile.n == kPanel) {
      store16(out, low, high);
    } else {
      T part[kPanel];
      store16(part, low, high);
      std::memcpy(out, part, tile.n * sizeof(T));
    }
  }
}

void dequantize(const Tile& tile) {
  if (tile.type == Element::kFloat32) {
    dequantize_to(static_cast<float*>(tile.out), tile);
  } else {
    dequantize_to(static_cast<uint16_t*>(tile.out), tile);
  }
}

}  // namespace

const Kernels& avx2_kernels() {
  static constexpr Kernels kernels = {"avx2",     kTileRows,       row_bytes,      panel_bytes, encode_row,
                                      pack_panel, multiply_packed, multiply_plain, dequantize};
  return kernels;
}

}  // namespace nc_trainer
