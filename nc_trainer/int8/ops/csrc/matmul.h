// int8 matrix products of one input with one or more weights, from its float (or int8) rows to their outputs.
#pragma once

#include "arithmetic.h"
#include "kernels.h"

namespace nc_trainer {

// Some rows of a matrix; they need not be neighbours.
struct Rows {
  const char* first;
  int64_t stride;         // bytes from row to row
  const int64_t* chosen;  // the numbers of the rows, or null: 0, 1, 2, ...

  int64_t number(int64_t i) const { return chosen ? chosen[i] : i; }
  const char* at(int64_t i) const { return first + number(i) * stride; }
};

struct Linear {
  const uint8_t* weight;  // packed, see kernels.h
  int64_t words;          // of one output in the packed weight
  const float* scale;     // [n]; unused for int8 codes
  const float* bias;      // [n] or null
  char* out;              // [rows of x, n], contiguous; of the type of x, or the int32 accumulators of int8 codes
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

// Pack [n, k] int8 codes, a row after the other, as kernels.h draws it. The sizes of `packed` in words:
inline int64_t packed_words(int64_t k) { return round_up(divide_up(k, kWordCodes), kBlockWords); }
inline int64_t packed_blocks(int64_t n) { return divide_up(n, kBlockOutputs); }
void pack(const int8_t* codes, int64_t n, int64_t k, int32_t* packed);

}  // namespace nc_trainer
