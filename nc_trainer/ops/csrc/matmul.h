// One int8 matrix product from its float (or int8) rows to its float (or int32) outputs.
#pragma once

#include "kernels.h"

namespace nc_trainer {

struct Product {
  const void* x;           // [m, k], `row_stride` elements from row to row
  Element x_type;
  int64_t row_stride;
  const int8_t* weight;    // [n, k], contiguous
  const float* scale;      // [n]; unused for int8 codes
  const float* bias;       // [n] or null
  void* out;               // [m, n], contiguous; of the type of x, or the int32 accumulators of int8 codes
  int64_t m, n, k;

  Element out_type() const { return x_type == Element::kInt8 ? Element::kInt32 : x_type; }
};

void run(const Product& product, const Kernels& kernels);

}  // namespace nc_trainer
