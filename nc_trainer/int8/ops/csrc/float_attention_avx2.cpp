// Attention in fp32 on registers of 256 bits.
#include "float_attention_queries.h"
#include "float_lanes_avx2.h"

namespace nc_trainer {
namespace {

void transpose(const float* from, int64_t stride, int64_t rows, int64_t columns, float* to, int64_t to_stride) {
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t row = 0; row < kLanesOfFloats; ++row)
      to[column * to_stride + row] = row < rows ? from[row * stride + column] : 0.0f;
}

}  // namespace

const KernelsOf<float>& float_attention_avx2_kernels() {
  static constexpr KernelsOf<float> kernels = float_kernels_of<Lanes2x256, transpose>("avx2");
  return kernels;
}

}  // namespace nc_trainer
