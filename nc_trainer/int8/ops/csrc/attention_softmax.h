// Softmax of one row of scores: scale, mask and exp, a block of keys at a time.
#pragma once

#include "attention_avx512.h"

namespace nc_trainer {
namespace {

// 2^x for x <= 0, and 0 for -infinity: relative error below 3e-6, and NaN for NaN. The fraction of x goes through a
// polynomial of degree 4, the best in relative error on [0, 1); vscalefps takes the floor of x itself.
__m512 exp2(__m512 x) {
  const __m512 fraction = _mm512_reduce_ps(x, 1);  // x - floor(x)
  __m512 y = _mm512_set1_ps(0.0135347405f);
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(0.0520103052f));
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(0.241443470f));
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(0.693003714f));
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(1.00000262f));
  return _mm512_scalef_ps(y, x);
}

// What softmax keeps of a row between blocks of keys: the largest score so far and the sum of exp(score - peak).
struct RowState {
  float peak, sum;
};

// The scores of one row of queries against a block of keys.
struct ScoreRow {
  float* scores;     // [vectors * 16], products of queries and keys
  int64_t vectors;
  int64_t visible;   // keys from here on do not count
  const char* mask;  // of the first key
  float scale;
};

// scale * score + mask for 16 keys, -infinity for those that are not `valid`.
template <MaskType Type>
__m512 masked(__m512 score, __m512 scale, const char* mask, int64_t key, __mmask16 valid) {
  const __m512 nothing = _mm512_set1_ps(-__builtin_inff());
  if constexpr (Type == MaskType::kBool) {
    const __m128i bytes = _mm_maskz_loadu_epi8(valid, mask + key);
    return _mm512_mask_mul_ps(nothing, _mm_test_epi8_mask(bytes, bytes), score, scale);
  } else if constexpr (Type == MaskType::kFloat32) {
    const __m512 bias = _mm512_maskz_loadu_ps(valid, mask + 4 * key);
    return _mm512_mask_mov_ps(nothing, valid, _mm512_fmadd_ps(score, scale, bias));
  } else {
    const __m512 bias = widen_bfloat16(_mm256_maskz_loadu_epi16(valid, mask + 2 * key));
    return _mm512_mask_mov_ps(nothing, valid, _mm512_fmadd_ps(score, scale, bias));
  }
}

// Apply scale and mask in place and return the largest result. A mask of zeros leaves the bits of none, so that a row
// that is padded in one batch, and has no mask in another, has the same result.
template <MaskType Type>
float mask_scores(const ScoreRow& row) {
  const __m512 nothing = _mm512_set1_ps(-__builtin_inff()), scale = _mm512_set1_ps(row.scale);
  __m512 peak = nothing;
  for (int64_t v = 0; v < row.vectors; ++v) {
    const __mmask16 valid = first_lanes16(row.visible - v * kLanes);
    __m512 x = _mm512_load_ps(row.scores + v * kLanes);
    if constexpr (Type == MaskType::kNone || Type == MaskType::kCausal) {
      x = _mm512_mask_mul_ps(nothing, valid, x, scale);
    } else {
      x = masked<Type>(x, scale, row.mask, v * kLanes, valid);
    }
    _mm512_store_ps(row.scores + v * kLanes, x);
    peak = _mm512_max_ps(peak, x);
  }
  return _mm512_reduce_max_ps(peak);
}

float mask_scores(const ScoreRow& row, MaskType type) {
  switch (type) {
    case MaskType::kBool: return mask_scores<MaskType::kBool>(row);
    case MaskType::kFloat32: return mask_scores<MaskType::kFloat32>(row);
    case MaskType::kBFloat16: return mask_scores<MaskType::kBFloat16>(row);
    default: return mask_scores<MaskType::kNone>(row);
  }
}

// probabilities[i] = exp(scores[i] - peak) in bf16, zero up to `padded` vectors; returns their sum before rounding.
float exponentiate(const ScoreRow& row, float peak, uint16_t* probabilities, int64_t padded) {
  const __m512 shift = _mm512_set1_ps(peak), scale = _mm512_set1_ps(kLog2E);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t v = 0; v < padded; ++v) {
    __m512 p = _mm512_setzero_ps();
    if (v < row.vectors) {
      const __m512 x = _mm512_load_ps(row.scores + v * kLanes);
      p = exp2(_mm512_mul_ps(_mm512_sub_ps(x, shift), scale));
      sum = _mm512_add_ps(sum, p);
    }
    const __m256i bits = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(p));
    _mm256_store_si256(reinterpret_cast<__m256i*>(probabilities + v * kLanes), bits);
  }
  return _mm512_reduce_add_ps(sum);
}

// Take a block of scores into the state of the row, and return by how much what was summed before has to shrink.
float advance(const ScoreRow& row, MaskType type, RowState& state, uint16_t* probabilities, int64_t padded) {
  const float largest = mask_scores(row, type);
  const float peak = largest > state.peak ? largest : state.peak;
  // A row that has seen no key yet subtracts 0: exp(-infinity) is 0, and -infinity minus itself would be NaN.
  const float shift = peak == -__builtin_inff() ? 0.0f : peak;
  const float sum = exponentiate(row, shift, probabilities, padded);
  // Exactly 1 if the peak stays, so that a block of keys that are not seen changes nothing; exp2(0) is not.
  const __m512 old = exp2(_mm512_set1_ps((state.peak - shift) * kLog2E));
  const float shrink = state.peak == shift ? 1.0f : _mm512_cvtss_f32(old);
  state = {peak, state.sum * shrink + sum};
  return shrink;
}

void multiply_row(float* row, int64_t vectors, float factor) {
  for (int64_t v = 0; v < vectors; ++v)
    _mm512_store_ps(row + v * kLanes, _mm512_mul_ps(_mm512_load_ps(row + v * kLanes), _mm512_set1_ps(factor)));
}

}  // namespace
}  // namespace nc_trainer
