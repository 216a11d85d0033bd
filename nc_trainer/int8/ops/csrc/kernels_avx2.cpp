// AVX2, exact where vpmaddubsw would saturate.
#include "int8_avx2.h"

namespace nc_trainer {

const Kernels& avx2_kernels() { return kTable<Words16>; }

}  // namespace nc_trainer
