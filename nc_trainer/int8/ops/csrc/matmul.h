// int8 matrix products of one input with one or more weights, from its float (or int8) rows to their outputs.
#pragma once

#include "kernels.h"

namespace nc_trainer {

struct Linear {
  const int8_t* weight;  // [n, k], contiguous
  const float* scale;    // [n]; unused for int8 codes
  const float* bias;     // [n] or null
  char* out;             // [rows of x, n], contiguous; of the type of x, or the int32 accumulators of int8 codes
  int64_t n;
  Activation activation;
};

struct Product {
  Rows x;        // m rows of k elements, each in one piece; the rows of the outputs have the same numbers
  Element type;
  int64_t m, k;
  const Linear* linears;
  int64_t count;

  Element out_type() const { return type == Element::kInt8 ? Element::kInt32 : type; }
};

void run(const Product& product, const Kernels& kernels);

}  // namespace nc_trainer
