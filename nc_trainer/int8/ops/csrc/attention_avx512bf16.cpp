// AVX512_BF16: vdpbf16ps adds the products of 16 pairs to 16 sums in fp32.
#include "attention_queries.h"

namespace nc_trainer {
namespace {

template <int Rows, int Vectors>
void multiply_tile(const PanelProduct& p) {
  __m512 sums[Rows][Vectors];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = p.accumulate ? _mm512_load_ps(p.c + r * p.c_stride + v * kLanes) : _mm512_setzero_ps();
  const uint32_t* b = p.panel;
  for (int64_t pair = 0; pair < p.pairs; ++pair, b += Vectors * kLanes) {
    __m512bh columns[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) columns[v] = reinterpret_cast<__m512bh>(_mm512_load_si512(b + v * kLanes));
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      int32_t both;
      std::memcpy(&both, p.a + r * p.a_stride + 2 * pair, sizeof both);
      const __m512bh row = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], row, columns[v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) _mm512_store_ps(p.c + r * p.c_stride + v * kLanes, sums[r][v]);
}

template <int Rows>
void multiply_rows(const PanelProduct& p) {
  switch (p.vectors) {
    case 1: return multiply_tile<Rows, 1>(p);
    case 2: return multiply_tile<Rows, 2>(p);
    case 3: return multiply_tile<Rows, 3>(p);
    default: return multiply_tile<Rows, kPanelVectors>(p);
  }
}

struct Product {
  static constexpr int64_t kTileRows = 6;  // 6 x 4 sums, 4 vectors of columns, 1 row: 29 of 32 registers
  static constexpr int64_t kRows = 4 * kTileRows;
  static constexpr int64_t kPairs = 1;

  static void multiply(const PanelProduct& all) {
    PanelProduct p = all;
    for (int64_t row = 0; row < all.rows; row += kTileRows) {
      p.a = all.a + row * all.a_stride;
      p.c = all.c + row * all.c_stride;
      switch (all.rows - row) {
        case 1: multiply_rows<1>(p); break;
        case 2: multiply_rows<2>(p); break;
        case 3: multiply_rows<3>(p); break;
        case 4: multiply_rows<4>(p); break;
        case 5: multiply_rows<5>(p); break;
        default: multiply_rows<kTileRows>(p);
      }
    }
  }
};

}  // namespace

const AttentionKernels& attention_avx512bf16_kernels() {
  static constexpr AttentionKernels kernels = kernels_of<Product>("avx512_bf16");
  return kernels;
}

}  // namespace nc_trainer
