// AVX2, exact where vpmaddubsw would saturate.
#include "int8_avx2.h"

namespace nc_trainer {

const Kernels& avx2_kernels() {
  static constexpr Kernels kernels = avx2_table<Words16>("avx2");
  return kernels;
}

}  // namespace nc_trainer
