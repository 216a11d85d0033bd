// What the AVX-512 levels of int8 products share: encoding of rows, and products by vpdpbusd.
#pragma once

#include "avx512_common.h"
#include "kernels.h"
#include "row_scale.h"

namespace nc_trainer {
namespace {

constexpr int64_t kStep = 64;  // codes of one row that are encoded at once: one vector

int64_t row_bytes(int64_t k) {
  const int64_t bytes = round_up(k, kStep);
  return bytes % 512 == 0 ? bytes + kStep : bytes;  // keeps rows out of one set of the cache
}

// ---- encoding ----

struct Float32 {
  using type = float;
  static __m512 load(const float* x) { return _mm512_loadu_ps(x); }
  static __m512 load(const float* x, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, x); }

  // The bits of max |x|. As integers, the bits of non-negative floats are in their order and those of infinity and of
  // every NaN come after, so that none is lost as it would be by vmaxps.
  static int32_t absmax_bits(const float* x, int64_t k) {
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i most[4] = {};
    const auto take = [&](int part, __m512i v) {
      most[part] = _mm512_max_epi32(most[part], _mm512_and_si512(v, magnitude));
    };
    int64_t i = 0;
    for (; i + kStep <= k; i += kStep)
#pragma GCC unroll 4
      for (int part = 0; part < 4; ++part) take(part, _mm512_loadu_si512(x + i + kLanes * part));
    for (; i < k; i += kLanes) take(0, _mm512_maskz_loadu_epi32(first_lanes16(k - i), x + i));
    most[0] = _mm512_max_epi32(_mm512_max_epi32(most[0], most[1]), _mm512_max_epi32(most[2], most[3]));
    return _mm512_reduce_max_epi32(most[0]);
  }
};

struct BFloat16 {
  using type = uint16_t;
  static __m512 load(const uint16_t* x) {
    return widen_bfloat16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  }
  static __m512 load(const uint16_t* x, __mmask16 mask) { return widen_bfloat16(_mm256_maskz_loadu_epi16(mask, x)); }

  // As for fp32, of which these are the upper halves.
  static int32_t absmax_bits(const uint16_t* x, int64_t k) {
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i most[2] = {};
    const auto take = [&](int part, __m512i v) {
      most[part] = _mm512_max_epi16(most[part], _mm512_and_si512(v, magnitude));
    };
    int64_t i = 0;
    for (; i + kStep <= k; i += kStep) {
      take(0, _mm512_loadu_si512(x + i));
      take(1, _mm512_loadu_si512(x + i + 32));
    }
    for (; i < k; i += 32) take(0, _mm512_maskz_loadu_epi16(first_lanes32(k - i), x + i));
    const __m512i both = _mm512_max_epi16(most[0], most[1]);
    const __m512i even = _mm512_slli_epi32(both, 16), odd = _mm512_and_si512(both, _mm512_set1_epi32(0x7fff0000));
    return _mm512_reduce_max_epi32(_mm512_max_epi32(even, odd));
  }
};

// 64 codes from four vectors of 16 values.
__m512i pack_codes(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}

template <class Source>
__m512i encode64(const typename Source::type* x, int64_t left, __m512 inverse) {
  const auto code = [&](__m512 v) { return _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse)); };
  if (left >= kStep)
    return pack_codes(code(Source::load(x)), code(Source::load(x + 16)), code(Source::load(x + 32)),
                      code(Source::load(x + 48)));
  const auto part = [&](int64_t i) {
    return left > i ? code(Source::load(x + i, first_lanes16(left - i))) : _mm512_setzero_si512();
  };
  return pack_codes(part(0), part(16), part(32), part(48));
}

// Wraps around, as the accumulators do, which gcc's _mm512_reduce_add_epi32 may not.
int32_t sum_of(__m512i v) {
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, _MM_SHUFFLE(2, 3, 0, 1))));
}

// Calls encode64(offset, left) for the codes of each step, writes them, and returns what takes out the + 128.
template <class Encode>
int32_t write_row(int64_t k, void* codes, const Encode& encode64) {
  auto* out = static_cast<__m512i*>(codes);
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < k; i += kStep) {
    const __m512i some = encode64(i, k - i);
    sum = _mm512_dpbusd_epi32(sum, ones, some);
    _mm512_store_si512(out++, some);
  }
  return offset_of(sum_of(sum));
}

template <class Source>
RowFactors quantize_row(const void* x, int64_t k, void* codes) {
  const auto* row = static_cast<const typename Source::type*>(x);
  const RowScale found = scale_of(Source::absmax_bits(row, k));
  const __m512 inverse = _mm512_set1_ps(found.inverse);
  return {found.scale,
          write_row(k, codes, [&](int64_t i, int64_t left) { return encode64<Source>(row + i, left, inverse); })};
}

RowFactors encode(const void* x, Element type, int64_t k, void* codes) {
  if (type == Element::kFloat32) return quantize_row<Float32>(x, k, codes);
  if (type == Element::kBFloat16) return quantize_row<BFloat16>(x, k, codes);
  const auto* row = static_cast<const int8_t*>(x);
  return {1.0f, write_row(k, codes, [&](int64_t i, int64_t left) {
            return _mm512_maskz_loadu_epi8(first_lanes64(left), row + i);
          })};
}

// ---- products ----

constexpr int64_t kTileRows = 8;  // 8 rows x 3 blocks: 24 accumulators, 3 weights, 1 code
constexpr int64_t kTileBlocks = 3;

template <int Rows, int Blocks>
void multiply_tile(const Tile& t) {
  __m512i sum[Rows][Blocks];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
    for (int b = 0; b < Blocks; ++b) sum[r][b] = _mm512_setzero_si512();
  for (int64_t word = 0; word < t.words; ++word) {
    __m512i weights[Blocks];
#pragma GCC unroll 3
    for (int b = 0; b < Blocks; ++b) weights[b] = _mm512_loadu_si512(t.weights + b * t.block_bytes + 64 * word);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      int32_t four;
      std::memcpy(&four, t.codes + r * t.row_bytes + kWordCodes * word, sizeof four);
      const __m512i codes = _mm512_set1_epi32(four);
#pragma GCC unroll 3
      for (int b = 0; b < Blocks; ++b) sum[r][b] = _mm512_dpbusd_epi32(sum[r][b], weights[b], codes);
    }
  }
  int32_t* const acc = t.acc;
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 3
    for (int b = 0; b < Blocks; ++b) _mm512_store_si512(acc + r * kAccStride + b * kBlockOutputs, sum[r][b]);
}

template <int Rows>
void multiply_rows(const Tile& t) {
  switch (t.blocks) {
    case 1: return multiply_tile<Rows, 1>(t);
    case 2: return multiply_tile<Rows, 2>(t);
    default: return multiply_tile<Rows, kTileBlocks>(t);
  }
}

void multiply_by_vnni(const Tile& t) {
  switch (t.rows) {
    case 1: return multiply_rows<1>(t);
    case 2: return multiply_rows<2>(t);
    case 3: return multiply_rows<3>(t);
    case 4: return multiply_rows<4>(t);
    case 5: return multiply_rows<5>(t);
    case 6: return multiply_rows<6>(t);
    case 7: return multiply_rows<7>(t);
    default: return multiply_rows<kTileRows>(t);
  }
}

}  // namespace
}  // namespace nc_trainer
