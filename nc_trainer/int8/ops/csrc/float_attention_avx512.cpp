// Attention in fp32 on registers of 512 bits.
#include "float_attention_queries.h"
#include "float_lanes_avx512.h"
#include "transpose_avx512.h"

namespace nc_trainer {
namespace {

void transpose(const float* from, int64_t stride, int64_t rows, int64_t columns, float* to, int64_t to_stride) {
  __m512i r[16];
  for (int64_t i = 0; i < 16; ++i)
    r[i] = i < rows ? _mm512_maskz_loadu_epi32(first_lanes16(columns), from + i * stride) : _mm512_setzero_si512();
  transpose16(r);
  for (int64_t i = 0; i < columns; ++i) _mm512_storeu_si512(to + i * to_stride, r[i]);
}

}  // namespace

const KernelsOf<float>& float_attention_avx512_kernels() {
  static constexpr KernelsOf<float> kernels = float_kernels_of<Lanes512, transpose>("avx512");
  return kernels;
}

}  // namespace nc_trainer
