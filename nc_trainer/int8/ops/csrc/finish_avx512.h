// From accumulators to outputs on 512 bits: scales, bias, activation, rounding.
#pragma once

#include "activation_functions.h"
#include "avx512_common.h"
#include "kernels.h"

namespace nc_trainer {
namespace {

struct Float16Lanes {
  using type = __m512;
  static __m512 set(float x) { return _mm512_set1_ps(x); }
  static __m512 sub(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
  static __m512 mul(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
  static __m512 div(__m512 a, __m512 b) { return _mm512_div_ps(a, b); }
  static __m512 abs(__m512 a) { return _mm512_abs_ps(a); }
  static __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
  static __m512 min(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
  static __m512 max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
  static __m512 sign_where_beyond(__m512 z, float limit, __m512 inside) {
    const __mmask16 high = _mm512_cmp_ps_mask(z, set(limit), _CMP_GE_OQ);
    const __mmask16 low = _mm512_cmp_ps_mask(z, set(-limit), _CMP_LE_OQ);
    return _mm512_mask_blend_ps(low, _mm512_mask_blend_ps(high, inside, set(1.0f)), set(-1.0f));
  }
  static __m512 lookup(const float* table, __m512 number) {
    return _mm512_permutexvar_ps(_mm512_castps_si512(number), _mm512_load_ps(table));
  }
};

// ---- rounding to bf16, to nearest even ----

// The bits of y rounded, in the low halves of 32-bit lanes.
__m512i bfloat16_bits(__m512 y) {
  const __m512i bits = _mm512_castps_si512(y);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
  return _mm512_mask_blend_epi32(nan, _mm512_srli_epi32(rounded, 16), _mm512_set1_epi32(0x7fc0));
}

struct IntegerRounding {
  static __m512i round(__m512 low, __m512 high) {
    const __m256i first = _mm512_cvtepi32_epi16(bfloat16_bits(low)), second = _mm512_cvtepi32_epi16(bfloat16_bits(high));
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
  }
};

// AVX512_BF16 in assembly, so that a file needs no flag for it. It turns denormals, below 1.2e-38, to zero.
struct HardwareRounding {
  static __m512i round(__m512 low, __m512 high) {
    __m512i both;
    asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(both) : "v"(high), "v"(low));
    return both;
  }
};

// ---- outputs of one row ----

class RowOutputs {
 public:
  RowOutputs(const Outputs& o, int64_t r)
      : acc_(o.acc + r * kAccStride), scale_(o.scale), bias_(o.bias), offset_(_mm512_set1_epi32(o.factors[r].offset)),
        row_scale_(_mm512_set1_ps(o.factors[r].scale)) {}

  __m512i sum(int64_t j) const { return _mm512_add_epi32(_mm512_load_si512(acc_ + j), offset_); }

  // 16 outputs from j on, before the activation.
  __m512 at(int64_t j) const {
    const __m512 y = scaled(j, _mm512_loadu_ps(scale_ + j));
    return bias_ ? _mm512_add_ps(y, _mm512_loadu_ps(bias_ + j)) : y;
  }
  // The last ones, of which only the `valid` ones are there.
  __m512 at(int64_t j, __mmask16 valid) const {
    const __m512 y = scaled(j, _mm512_maskz_loadu_ps(valid, scale_ + j));
    return bias_ ? _mm512_add_ps(y, _mm512_maskz_loadu_ps(valid, bias_ + j)) : y;
  }

 private:
  __m512 scaled(int64_t j, __m512 scale) const {
    return _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum(j)), scale), row_scale_);
  }

  const int32_t* acc_;
  const float *scale_, *bias_;
  __m512i offset_;
  __m512 row_scale_;
};

template <Activation A>
void finish_float32(const Outputs& o) {
  using Act = Activations<Float16Lanes>;
  for (int64_t r = 0; r < o.rows; ++r) {
    const RowOutputs row(o, r);
    auto* out = reinterpret_cast<float*>(o.out[r]);
    int64_t j = 0;
    for (; j + kLanes <= o.n; j += kLanes) _mm512_storeu_ps(out + j, Act::apply<A>(row.at(j)));
    const __mmask16 valid = first_lanes16(o.n - j);
    if (valid) _mm512_mask_storeu_ps(out + j, valid, Act::apply<A>(row.at(j, valid)));
  }
}

// Stores of whole vectors, where they are whole: AMD's masked stores of 16-bit elements are slow.
template <Activation A, class Rounding>
void finish_bfloat16(const Outputs& o) {
  using Act = Activations<Float16Lanes>;
  for (int64_t r = 0; r < o.rows; ++r) {
    const RowOutputs row(o, r);
    auto* out = reinterpret_cast<uint16_t*>(o.out[r]);
    int64_t j = 0;
    for (; j + 2 * kLanes <= o.n; j += 2 * kLanes)
      _mm512_storeu_si512(out + j, Rounding::round(Act::apply_for_bfloat16<A>(row.at(j)),
                                                   Act::apply_for_bfloat16<A>(row.at(j + kLanes))));
    for (; j < o.n; j += kLanes) {
      const __mmask16 valid = first_lanes16(o.n - j);
      const __m512 y = Act::apply_for_bfloat16<A>(row.at(j, valid));
      const __m256i bits = _mm512_castsi512_si256(Rounding::round(y, y));
      if (valid == 0xffff) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + j), bits);
      } else {
        _mm256_mask_storeu_epi16(out + j, valid, bits);
      }
    }
  }
}

void finish_int32(const Outputs& o) {
  for (int64_t r = 0; r < o.rows; ++r) {
    const RowOutputs row(o, r);
    for (int64_t j = 0; j < o.n; j += kLanes)
      _mm512_mask_storeu_epi32(o.out[r] + 4 * j, first_lanes16(o.n - j), row.sum(j));
  }
}

void activate(Activation activation, const float* x, int64_t n, float* out) {
  with_activation(activation, [&]<Activation A>() {
    for (int64_t i = 0; i < n; i += kLanes) {
      const __mmask16 valid = first_lanes16(n - i);
      const __m512 y = Activations<Float16Lanes>::apply<A>(_mm512_maskz_loadu_ps(valid, x + i));
      _mm512_mask_storeu_ps(out + i, valid, y);
    }
  });
}

template <class Rounding>
void finish(const Outputs& o) {
  if (o.type == Element::kInt32) return finish_int32(o);
  with_activation(o.activation, [&]<Activation A>() {
    o.type == Element::kFloat32 ? finish_float32<A>(o) : finish_bfloat16<A, Rounding>(o);
  });
}

}  // namespace
}  // namespace nc_trainer
