// AMX: tdpbf16ps adds the products of 16 rows by 16 columns, 16 pairs deep, to 16 x 16 sums in fp32.
#include "amx.h"
#include "attention_queries.h"

namespace nc_trainer {
namespace {

constexpr int64_t kTilePairs = amx::kRowBytes / 4;

// Tiles: 0 to 3 hold 2 x 2 tiles of sums, 4 and 5 the rows, 6 and 7 the columns.
template <int Rows, int Columns>
void multiply_tiles(const PanelProduct& p, int64_t column) {
  constexpr int64_t tile = amx::kTileRows;
  const int64_t c_bytes = p.c_stride * 4, a_bytes = p.a_stride * 2, b_bytes = p.vectors * amx::kRowBytes;
  float* const c = p.c + column * kLanes;
  if (p.accumulate) {
    amx::load<0>(c, c_bytes);
    if constexpr (Columns > 1) amx::load<1>(c + kLanes, c_bytes);
    if constexpr (Rows > 1) amx::load<2>(c + tile * p.c_stride, c_bytes);
    if constexpr (Rows > 1 && Columns > 1) amx::load<3>(c + tile * p.c_stride + kLanes, c_bytes);
  } else {
    amx::zero<0>();
    if constexpr (Columns > 1) amx::zero<1>();
    if constexpr (Rows > 1) amx::zero<2>();
    if constexpr (Rows > 1 && Columns > 1) amx::zero<3>();
  }
  for (int64_t pair = 0; pair < p.pairs; pair += kTilePairs) {
    const uint32_t* const b = p.panel + (pair * p.vectors + column) * kLanes;
    amx::load<4>(p.a + 2 * pair, a_bytes);
    amx::load<6>(b, b_bytes);
    amx::dpbf16ps<0, 4, 6>();
    if constexpr (Rows > 1) {
      amx::load<5>(p.a + tile * p.a_stride + 2 * pair, a_bytes);
      amx::dpbf16ps<2, 5, 6>();
    }
    if constexpr (Columns > 1) {
      amx::load<7>(b + kLanes, b_bytes);
      amx::dpbf16ps<1, 4, 7>();
    }
    if constexpr (Rows > 1 && Columns > 1) amx::dpbf16ps<3, 5, 7>();
  }
  amx::store<0>(c, c_bytes);
  if constexpr (Columns > 1) amx::store<1>(c + kLanes, c_bytes);
  if constexpr (Rows > 1) amx::store<2>(c + tile * p.c_stride, c_bytes);
  if constexpr (Rows > 1 && Columns > 1) amx::store<3>(c + tile * p.c_stride + kLanes, c_bytes);
}

struct Product {
  static constexpr int64_t kRows = 2 * amx::kTileRows;
  static constexpr int64_t kPairs = kTilePairs;

  // Rows are computed in whole tiles; those beyond p.rows are somebody's old numbers, and nobody reads their results.
  static void multiply(const PanelProduct& p) {
    const bool two_rows = p.rows > amx::kTileRows;
    for (int64_t column = 0; column < p.vectors; column += 2) {
      const bool two_columns = column + 1 < p.vectors;
      if (two_rows) {
        two_columns ? multiply_tiles<2, 2>(p, column) : multiply_tiles<2, 1>(p, column);
      } else {
        two_columns ? multiply_tiles<1, 2>(p, column) : multiply_tiles<1, 1>(p, column);
      }
    }
  }
};

void attend_with_tiles(const AttentionHead& head, int64_t first, int64_t last, const void* packed, void* work) {
  amx::configure_whole_tiles();
  attend<Product>(head, first, last, packed, work);
  amx::release();
}

}  // namespace

const AttentionKernels& attention_amx_kernels() {
  static constexpr AttentionKernels kernels = {.name = "amx",
                                               .packed_bytes = packed_bytes<Product>,
                                               .work_bytes = work_bytes<Product>,
                                               .pack = pack<Product>,
                                               .attend = attend_with_tiles};
  return kernels;
}

}  // namespace nc_trainer
