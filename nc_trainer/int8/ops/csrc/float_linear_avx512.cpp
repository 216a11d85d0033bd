// Linear layers in fp32 on registers of 512 bits.
#include "float_transposed.h"
#include "float_dot.h"
#include "float_lanes_avx512.h"

namespace nc_trainer {

void float_linear_avx512(const FloatLinear& p, int64_t first, int64_t last) {
  dot_products<Lanes512>(p, first, last);
}

void float_columns_avx512(const FloatLinear& p, int64_t first, int64_t last) {
  sums_of_columns<Lanes512>(p, first, last);
}

}  // namespace nc_trainer
