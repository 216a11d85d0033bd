// What the AVX2 levels share. `Codes` says how codes and weights are stored and multiplied: as int16 for vpmaddwd, or
// as bytes for vpdpbusd.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "finish_avx2.h"
#include "kernels.h"
#include "row_scale.h"

namespace nc_trainer {
namespace {

constexpr int64_t kWords = 8;  // 32-bit words of one vector
constexpr int64_t kAccStride = kPanelRows * kMaxPanels;

// ---- loading eight values ----

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

// ---- how codes are stored ----

// Codes and weights as int16: vpmaddwd cannot saturate. vpmaddubsw would take int8, but its 16-bit sums saturate for
// full-range weights, and keeping them from it costs what it saved.
struct Words16 {
  static constexpr int64_t kWord = 2;  // codes of a 32-bit word
  static constexpr int64_t kBytes = 2;
  static constexpr bool kShifted = false;  // whether codes are stored as code + 128

  static __m256i multiply(__m256i sum, __m256i codes, __m256i weights) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(codes, weights));
  }
  static __m256i widen(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  template <class Source>
  static __m256i encode(const typename Source::type* x, __m256 inverse) {
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(Source::load8(x), inverse));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(Source::load8(x + 8), inverse));
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), _MM_SHUFFLE(3, 1, 2, 0));
  }
  static __m256i from_codes(const int8_t* x) { return widen(x); }
  static __m256i from_weights(const int8_t* x) { return widen(x); }
};

// Codes + 128, unsigned, and weights, signed, as bytes.
struct Bytes {
  static constexpr int64_t kWord = 4;
  static constexpr int64_t kBytes = 1;
  static constexpr bool kShifted = true;

  static __m256i multiply(__m256i sum, __m256i codes, __m256i weights);  // in the file that has the instruction
  static __m256i load(const int8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  template <class Source>
  static __m256i encode(const typename Source::type* x, __m256 inverse) {
    __m256i v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(Source::load8(x + 8 * i), inverse));
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    return _mm256_xor_si256(ordered, _mm256_set1_epi8(-128));
  }
  static __m256i from_codes(const int8_t* x) { return _mm256_xor_si256(load(x), _mm256_set1_epi8(-128)); }
  static __m256i from_weights(const int8_t* x) { return load(x); }
};

// ---- encoding ----

int32_t largest(__m256i v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(1, 0, 3, 2)));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(m);
}

int32_t sum_of(__m256i v) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(sum);
}

// Up to N elements, the rest zero.
template <class T, int64_t N>
struct Padded {
  Padded(const T* x, int64_t n) { std::memcpy(values, x, n * sizeof(T)); }
  T values[N] = {};
};

// The bits of max |x|. As integers, the bits of non-negative floats are in their order and those of infinity and
// of every NaN come after, so that none is lost as it would be by maxps.
template <class Source>
int32_t absmax_bits(const typename Source::type* x, int64_t k) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i low = _mm256_setzero_si256(), high = low;
  const auto take = [&](const typename Source::type* p) {
    low = _mm256_max_epi32(low, _mm256_and_si256(_mm256_castps_si256(Source::load8(p)), magnitude));
    high = _mm256_max_epi32(high, _mm256_and_si256(_mm256_castps_si256(Source::load8(p + 8)), magnitude));
  };
  int64_t i = 0;
  for (; i + 16 <= k; i += 16) take(x + i);
  if (i < k) take(Padded<typename Source::type, 16>(x + i, k - i).values);
  return largest(_mm256_max_epi32(low, high));
}

template <class Codes>
struct Int8 {
  static constexpr int64_t kStep = kWords * Codes::kWord;  // codes of one vector
  static constexpr int64_t kOutputs = 16;
  static constexpr int64_t kTileOutputs = 6;  // 6 outputs x 2 vectors of rows: 12 accumulators, 2 codes, 1 weight
  static constexpr int64_t kRowPadding = 64;  // keeps rows out of one cache set when k is a power of two

  static int64_t steps(int64_t k) { return (k + kStep - 1) / kStep; }
  static int64_t panel_bytes(int64_t k) { return steps(k) * kWords * 4 * kPanelRows; }
  static int64_t row_bytes(int64_t k) { return steps(k) * kWords * 4 + kRowPadding; }

  template <class Source>
  static __m256i encode(const typename Source::type* x, int64_t left, float inverse) {
    const __m256 factor = _mm256_set1_ps(inverse);
    if (left >= kStep) return Codes::template encode<Source>(x, factor);
    return Codes::template encode<Source>(Padded<typename Source::type, kStep>(x, left).values, factor);
  }

  static __m256i encode_codes(const int8_t* x, int64_t left) {
    return left >= kStep ? Codes::from_codes(x) : Codes::from_codes(Padded<int8_t, kStep>(x, left).values);
  }

  static __m256i zero_codes() { return Codes::kShifted ? _mm256_set1_epi8(-128) : _mm256_setzero_si256(); }

  // Calls encode(row, offset, left) for the codes of each row and step, and writes the panel.
  template <class Encode>
  static void write_panel(int64_t rows, int64_t k, void* panel, const Encode& encode) {
    auto* out = static_cast<__m256i*>(panel);
    for (int64_t i = 0; i < k; i += kStep, out += 2 * kWords)
      for (int64_t half = 0; half < 2; ++half) {
        __m256i words[8];
        for (int64_t r = 0; r < 8; ++r)
          words[r] = 8 * half + r < rows ? encode(8 * half + r, i, k - i) : zero_codes();
        transpose8(words);
        for (int64_t word = 0; word < kWords; ++word) _mm256_store_si256(out + 2 * word + half, words[word]);
      }
  }

  template <class Source>
  static void quantize_panel(const Rows& x, int64_t first, int64_t rows, int64_t k, void* panel, float* scales) {
    const typename Source::type* row[kPanelRows];
    float inverse[kPanelRows];
    for (int64_t r = 0; r < rows; ++r) {
      row[r] = reinterpret_cast<const typename Source::type*>(x.at(first + r));
      const RowScale found = scale_of(absmax_bits<Source>(row[r], k));
      scales[r] = found.scale;
      inverse[r] = found.inverse;
    }
    write_panel(rows, k, panel, [&](int64_t r, int64_t i, int64_t left) {
      return encode<Source>(row[r] + i, left, inverse[r]);
    });
  }

  static void encode_panel(const Rows& x, Element type, int64_t first, int64_t rows, int64_t k, void* panel,
                           float* scales) {
    for (int64_t r = 0; r < kPanelRows; ++r) scales[r] = r < rows ? 1.0f : 0.0f;
    if (type == Element::kFloat32) return quantize_panel<Float32>(x, first, rows, k, panel, scales);
    if (type == Element::kBFloat16) return quantize_panel<BFloat16>(x, first, rows, k, panel, scales);
    write_panel(rows, k, panel, [&](int64_t r, int64_t i, int64_t left) {
      return encode_codes(reinterpret_cast<const int8_t*>(x.at(first + r)) + i, left);
    });
  }

  template <class Encode>
  static void write_row(int64_t k, void* codes, const Encode& encode) {
    auto* out = static_cast<__m256i*>(codes);
    for (int64_t i = 0; i < k; i += kStep) _mm256_store_si256(out++, encode(i, k - i));
  }

  template <class Source>
  static float quantize_row(const void* x, int64_t k, void* codes) {
    const auto* row = static_cast<const typename Source::type*>(x);
    const RowScale found = scale_of(absmax_bits<Source>(row, k));
    write_row(k, codes, [&](int64_t i, int64_t left) { return encode<Source>(row + i, left, found.inverse); });
    return found.scale;
  }

  static float encode_row(const void* x, Element type, int64_t k, void* codes) {
    if (type == Element::kFloat32) return quantize_row<Float32>(x, k, codes);
    if (type == Element::kBFloat16) return quantize_row<BFloat16>(x, k, codes);
    const auto* row = static_cast<const int8_t*>(x);
    write_row(k, codes, [&](int64_t i, int64_t left) { return encode_codes(row + i, left); });
    return 1.0f;
  }

  // ---- weights: copied as the codes are stored, with the sum that `code + 128` adds 128 times ----

  static Weights prepare(const int8_t* weight, int64_t n, int64_t k, void* scratch, int32_t* offsets) {
    const int64_t stride = row_bytes(k);
    for (int64_t j = 0; j < n; ++j) {
      auto* out = reinterpret_cast<__m256i*>(static_cast<char*>(scratch) + j * stride);
      const int8_t* row = weight + j * k;
      __m256i sum = _mm256_setzero_si256();
      for (int64_t i = 0; i < k; i += kStep) {
        const __m256i w = k - i >= kStep ? Codes::from_weights(row + i)
                                         : Codes::from_weights(Padded<int8_t, kStep>(row + i, k - i).values);
        if (Codes::kShifted) sum = Codes::multiply(sum, _mm256_set1_epi8(1), w);
        _mm256_store_si256(out++, w);
      }
      offsets[j] = Codes::kShifted ? -128 * sum_of(sum) : 0;
    }
    return {scratch, stride};
  }

  // ---- products ----

  template <int TileOutputs>
  static void multiply_tile(const __m256i* codes, const char* weight, int64_t stride, int64_t words, int32_t* acc) {
    __m256i sum[TileOutputs][2];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 6
    for (int j = 0; j < TileOutputs; ++j) sum[j][0] = sum[j][1] = _mm256_setzero_si256();
    for (int64_t word = 0; word < words; ++word) {
      const __m256i low = _mm256_load_si256(codes + 2 * word), high = _mm256_load_si256(codes + 2 * word + 1);
#pragma GCC unroll 6
      for (int j = 0; j < TileOutputs; ++j) {
        int32_t bits;
        std::memcpy(&bits, weight + j * stride + 4 * word, sizeof bits);
        const __m256i w = _mm256_set1_epi32(bits);
        sum[j][0] = Codes::multiply(sum[j][0], low, w);
        sum[j][1] = Codes::multiply(sum[j][1], high, w);
      }
    }
#pragma GCC unroll 6
    for (int j = 0; j < TileOutputs; ++j) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + j * kAccStride), sum[j][0]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(acc + j * kAccStride + 8), sum[j][1]);
    }
  }

  // The tile is repeated on the last outputs where n is no multiple of it; below one tile, output by output.
  static void multiply_panel(const __m256i* codes, const Weights& w, int64_t n, int64_t k, int32_t* acc) {
    const auto* weight = static_cast<const char*>(w.data);
    const int64_t words = (k + Codes::kWord - 1) / Codes::kWord;
    if (n < kTileOutputs) {
      for (int64_t j = 0; j < n; ++j)
        multiply_tile<1>(codes, weight + j * w.stride, w.stride, words, acc + j * kAccStride);
      return;
    }
    for (int64_t j = 0; j < n; j += kTileOutputs) {
      const int64_t first = j + kTileOutputs <= n ? j : n - kTileOutputs;
      multiply_tile<kTileOutputs>(codes, weight + first * w.stride, w.stride, words, acc + first * kAccStride);
    }
  }

  static void multiply(const void* panels, int64_t count, const Weights& w, int64_t n, int64_t k, int32_t* acc) {
    for (int64_t p = 0; p < count; ++p) {
      const auto* codes = static_cast<const char*>(panels) + p * panel_bytes(k);
      multiply_panel(reinterpret_cast<const __m256i*>(codes), w, n, k, acc + p * kPanelRows);
    }
  }

  template <int RowCount>
  static void dot_rows(const char* codes, const Weights& w, int64_t n, int64_t k, int32_t* acc) {
    const int64_t stride = row_bytes(k);
    for (int64_t j = 0; j < n; ++j) {
      const auto* row = reinterpret_cast<const __m256i*>(static_cast<const char*>(w.data) + j * w.stride);
      __m256i sum[RowCount];
#pragma GCC unroll 4
      for (int r = 0; r < RowCount; ++r) sum[r] = _mm256_setzero_si256();
      for (int64_t i = 0; i < steps(k); ++i) {
        const __m256i weight = _mm256_load_si256(row + i);
#pragma GCC unroll 4
        for (int r = 0; r < RowCount; ++r) {
          const auto* x = reinterpret_cast<const __m256i*>(codes + r * stride);
          sum[r] = Codes::multiply(sum[r], _mm256_load_si256(x + i), weight);
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < RowCount; ++r) acc[j * kAccStride + r] = sum_of(sum[r]);
    }
  }

  static void dot(const void* codes, int64_t rows, const Weights& w, int64_t n, int64_t k, int32_t* acc) {
    const auto* x = static_cast<const char*>(codes);
    const int64_t stride = row_bytes(k);
    for (; rows >= 4; rows -= 4, x += 4 * stride, acc += 4) dot_rows<4>(x, w, n, k, acc);
    for (; rows > 0; --rows, x += stride, ++acc) dot_rows<1>(x, w, n, k, acc);
  }
};

template <class Codes>
constexpr Kernels avx2_table(const char* name) {
  using K = Int8<Codes>;
  return {name,          1,           K::kOutputs, kMaxDotRows, K::panel_bytes, K::row_bytes, K::row_bytes, K::encode_panel,
          K::encode_row, K::prepare, K::multiply,  K::dot,      finish,         nullptr,      nullptr};
}

}  // namespace
}  // namespace nc_trainer
