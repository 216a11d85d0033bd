// What the AVX2 levels share. `Codes` says how the codes of a row are stored and multiplied with packed weights: as
// int16 by vpmaddwd, or as bytes by vpdpbusd.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "arithmetic.h"
#include "finish_avx2.h"
#include "kernels.h"
#include "row_scale.h"

namespace nc_trainer {
namespace {

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

template <class Source>
__m256i code8(const typename Source::type* x, __m256 inverse) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(Source::load8(x), inverse));
}

__m256i broadcast_word(const char* p) {
  int32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return _mm256_set1_epi32(bits);
}

// ---- how codes are stored and multiplied ----

// As int16, since vpmaddwd cannot saturate; vpmaddubsw would take bytes, but its 16-bit sums saturate. The even and
// the odd bytes of packed weights become vectors of int16, so the codes of a word are kept as k, k+2, k+1, k+3.
struct Words16 {
  static constexpr int64_t kStep = 16;  // codes that are encoded at once: one vector
  static constexpr int64_t kWordBytes = 8;
  static constexpr int kTileRows = 4;   // 4 rows x 2 sums, 4 weights, 2 codes, 1 product

  struct Weights {
    __m256i even, odd;
  };
  static Weights load(const uint8_t* p) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(bytes, 8)};
  }
  static __m256i multiply(__m256i sum, const Weights& weights, const char* word) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(weights.even, broadcast_word(word)));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(weights.odd, broadcast_word(word + 4)));
  }

  static __m256i in_order(__m256i v) {
    return _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(v, _MM_SHUFFLE(3, 1, 2, 0)), _MM_SHUFFLE(3, 1, 2, 0));
  }
  template <class Source>
  static __m256i encode(const typename Source::type* x, __m256 inverse) {
    const __m256i both = _mm256_packs_epi32(code8<Source>(x, inverse), code8<Source>(x + 8, inverse));
    return in_order(_mm256_permute4x64_epi64(both, _MM_SHUFFLE(3, 1, 2, 0)));
  }
  static __m256i from_codes(const int8_t* x) {
    return in_order(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
  }
  static __m256i add_codes(__m256i sum, __m256i codes) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(codes, _mm256_set1_epi16(1)));
  }
};

struct Bytes {
  static constexpr int64_t kStep = 32;
  static constexpr int64_t kWordBytes = 4;
  static constexpr int kTileRows = 6;  // 6 rows x 2 sums, 2 weights, 1 code

  using Weights = __m256i;
  static Weights load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static __m256i dot(__m256i sum, __m256i weights, __m256i codes);  // in the file that has the instruction
  static __m256i multiply(__m256i sum, const Weights& weights, const char* word) {
    return dot(sum, weights, broadcast_word(word));
  }

  template <class Source>
  static __m256i encode(const typename Source::type* x, __m256 inverse) {
    const __m256i low = _mm256_packs_epi32(code8<Source>(x, inverse), code8<Source>(x + 8, inverse));
    const __m256i high = _mm256_packs_epi32(code8<Source>(x + 16, inverse), code8<Source>(x + 24, inverse));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  static __m256i from_codes(const int8_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
  static __m256i add_codes(__m256i sum, __m256i codes) { return dot(sum, _mm256_set1_epi8(1), codes); }
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
  static constexpr int64_t kStep = Codes::kStep;

  static int64_t row_bytes(int64_t k) {
    const int64_t bytes = round_up(round_up(k, kWordCodes * kBlockWords) / kWordCodes * Codes::kWordBytes, 64);
    return bytes % 512 == 0 ? bytes + 64 : bytes;  // keeps rows out of one set of the cache
  }

  // Calls step(offset, left) for the codes of each vector, writes them, and returns what takes out the + 128.
  template <class Step>
  static int32_t write_row(int64_t k, void* codes, const Step& step) {
    auto* out = static_cast<__m256i*>(codes);
    __m256i sum = _mm256_setzero_si256();
    for (int64_t i = 0; i < round_up(k, kWordCodes * kBlockWords); i += kStep) {
      const __m256i some = i < k ? step(i, k - i) : _mm256_setzero_si256();
      sum = Codes::add_codes(sum, some);
      _mm256_store_si256(out++, some);
    }
    return offset_of(sum_of(sum));
  }

  template <class Source>
  static RowFactors quantize_row(const void* x, int64_t k, void* codes) {
    using T = typename Source::type;
    const auto* row = static_cast<const T*>(x);
    const RowScale found = scale_of(absmax_bits<Source>(row, k));
    const __m256 inverse = _mm256_set1_ps(found.inverse);
    return {found.scale, write_row(k, codes, [&](int64_t i, int64_t left) {
              if (left >= kStep) return Codes::template encode<Source>(row + i, inverse);
              return Codes::template encode<Source>(Padded<T, kStep>(row + i, left).values, inverse);
            })};
  }

  static RowFactors encode(const void* x, Element type, int64_t k, void* codes) {
    if (type == Element::kFloat32) return quantize_row<Float32>(x, k, codes);
    if (type == Element::kBFloat16) return quantize_row<BFloat16>(x, k, codes);
    const auto* row = static_cast<const int8_t*>(x);
    return {1.0f, write_row(k, codes, [&](int64_t i, int64_t left) {
              return Codes::from_codes(left >= kStep ? row + i : Padded<int8_t, kStep>(row + i, left).values);
            })};
  }

  // ---- products ----

  template <int Rows>
  static void multiply_tile(const Tile& t) {
    __m256i sum[Rows][2];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    for (int64_t word = 0; word < t.words; ++word) {
      const auto low = Codes::load(t.weights + 64 * word), high = Codes::load(t.weights + 64 * word + 32);
#pragma GCC unroll 6
      for (int r = 0; r < Rows; ++r) {
        const char* codes = t.codes + r * t.row_bytes + Codes::kWordBytes * word;
        sum[r][0] = Codes::multiply(sum[r][0], low, codes);
        sum[r][1] = Codes::multiply(sum[r][1], high, codes);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(t.acc + r * kAccStride), sum[r][0]);
      _mm256_store_si256(reinterpret_cast<__m256i*>(t.acc + r * kAccStride + 8), sum[r][1]);
    }
  }

  static void multiply(const Tile& t) {
    switch (t.rows) {
      case 1: return multiply_tile<1>(t);
      case 2: return multiply_tile<2>(t);
      case 3: return multiply_tile<3>(t);
      case 4: return multiply_tile<4>(t);
    }
    if constexpr (Codes::kTileRows > 4) return t.rows == 5 ? multiply_tile<5>(t) : multiply_tile<6>(t);
  }
};

template <class Codes>
constexpr Kernels kTable = {.tile_rows = Codes::kTileRows,
                            .tile_blocks = 1,
                            .row_bytes = Int8<Codes>::row_bytes,
                            .encode = Int8<Codes>::encode,
                            .multiply = Int8<Codes>::multiply,
                            .finish = finish,
                            .activate = activate,
                            .begin = nullptr,
                            .end = nullptr};

}  // namespace
}  // namespace nc_trainer
