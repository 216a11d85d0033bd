#include "float_linear.h"

#include <algorithm>

#include "arithmetic.h"
#include "isa.h"
#include "parallel.h"

namespace nc_trainer {
namespace {

constexpr int64_t kTaskProducts = 1 << 16;  // multiplications worth waking another thread for
constexpr int64_t kBlockFloats = 1 << 16;   // weights that stay in the L2 cache while the rows pass by
// A block is a multiple of this, but for the last: a vector of outputs, or the widest tile of columns.
constexpr int64_t kOutputs = 16, kColumns = 64;

FloatLinearKernel kernel(bool transposed) {
  if (isa() == Isa::kAmx || isa() == Isa::kAvx512Vnni) return transposed ? float_columns_avx512 : float_linear_avx512;
  return transposed ? float_columns_avx2 : float_linear_avx2;
}

}  // namespace

void run(const FloatLinear& p) {
  if (p.rows * p.outputs == 0) return;
  const int64_t products_of_one = p.rows * std::max<int64_t>(p.depth, 1);  // of one output of all rows
  const int64_t fitting = kBlockFloats / std::max<int64_t>(p.depth, 1);
  const int64_t worth_it = divide_up(kTaskProducts, products_of_one);
  const int64_t shared = std::max(worth_it, divide_up(p.outputs, thread_count()));
  const int64_t width = round_up(std::clamp<int64_t>(fitting, 1, shared), p.transposed ? kColumns : kOutputs);
  const FloatLinearKernel compute = kernel(p.transposed);
  parallel_for(0, divide_up(p.outputs, width), divide_up(worth_it, width), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      compute(p, block * width, std::min(p.outputs, (block + 1) * width));
  });
}

}  // namespace nc_trainer
