// Products of rows with a packed matrix in fp32. Each sum is taken in the order of k, one fused multiply-add after the
// other, so that it has the same bits in every tile.
#pragma once

#include "float_lanes.h"

namespace nc_trainer {
namespace {

constexpr int64_t kPanelRows = 6;

// c[r][j] = a[r] . column j of the panel, for `rows` rows and `vectors` * 16 columns; the panel is [depth, columns].
struct FloatPanel {
  const float* a;
  int64_t a_stride;
  const float* panel;
  int64_t panel_stride;
  float* c;
  int64_t c_stride;
  int64_t rows, vectors, depth;
  bool continues = false;  // the sums begin with what c holds, not with zero
};

template <class V, int Rows, int Vectors>
void multiply_tile(const FloatPanel& p) {
  typename V::type sums[Rows][Vectors];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      sums[r][v] = p.continues ? V::load(p.c + r * p.c_stride + v * kLanesOfFloats) : V::zero();
  const float* b = p.panel;
  for (int64_t k = 0; k < p.depth; ++k, b += p.panel_stride) {
    typename V::type columns[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) columns[v] = V::load(b + v * kLanesOfFloats);
#pragma GCC unroll 6
    for (int r = 0; r < Rows; ++r) {
      const auto row = V::set(p.a[r * p.a_stride + k]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sums[r][v] = V::fma(row, columns[v], sums[r][v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) V::store(p.c + r * p.c_stride + v * kLanesOfFloats, sums[r][v]);
}

template <class V, int Rows>
void multiply_rows(const FloatPanel& p) {
  if constexpr (V::kTileVectors == 1) {
    multiply_tile<V, Rows, 1>(p);
  } else {
    switch (p.vectors) {
      case 1: return multiply_tile<V, Rows, 1>(p);
      case 2: return multiply_tile<V, Rows, 2>(p);
      case 3: return multiply_tile<V, Rows, 3>(p);
      default: return multiply_tile<V, Rows, 4>(p);
    }
  }
}

template <class V>
void multiply_panel(const FloatPanel& all) {
  FloatPanel p = all;
  for (int64_t row = 0; row < all.rows; row += kPanelRows) {
    p.a = all.a + row * all.a_stride;
    p.c = all.c + row * all.c_stride;
    switch (all.rows - row) {
      case 1: multiply_rows<V, 1>(p); break;
      case 2: multiply_rows<V, 2>(p); break;
      case 3: multiply_rows<V, 3>(p); break;
      case 4: multiply_rows<V, 4>(p); break;
      case 5: multiply_rows<V, 5>(p); break;
      default: multiply_rows<V, kPanelRows>(p);
    }
  }
}

// A matrix of `rows` rows and `columns` columns in panels of V::kTileVectors vectors, panel after panel.
struct PackedMatrix {
  const float* data;
  int64_t rows, columns;
};

// c = a [rows, depth] times the first `depth` rows of b. Only whole panels that hold one of the first `columns` columns
// are computed.
template <class V>
void multiply(const float* a, int64_t a_stride, int64_t rows, int64_t depth, const PackedMatrix& b, int64_t columns,
              float* c, int64_t c_stride) {
  const int64_t vectors = divide_up(b.columns, kLanesOfFloats);
  for (int64_t v = 0; v * kLanesOfFloats < columns; v += V::kTileVectors) {
    const int64_t offset = v * kLanesOfFloats, width = smaller(V::kTileVectors, vectors - v);
    multiply_panel<V>({a, a_stride, b.data + offset * b.rows, width * kLanesOfFloats, c + offset, c_stride, rows, width,
                       depth});
  }
}

}  // namespace
}  // namespace nc_trainer
