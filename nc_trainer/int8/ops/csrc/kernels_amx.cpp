// AMX: one tile holds 64 codes of 16 rows, another one 16 words of a block of weights, which is 1024 bytes as they lie
// in memory. tdpbsud multiplies signed codes with unsigned weights.
#include "amx.h"
#include "int8_avx512.h"

namespace nc_trainer {
namespace {

constexpr int64_t kTilesBlocks = 2;                // 2 x 2 tiles of sums
constexpr int64_t kFewRows = 4;                    // so few rows would leave most of a tile empty
constexpr int64_t kWordsOfTile = amx::kTileRows;   // of a block of weights
static_assert(2 * amx::kTileRows <= kMaxTileRows && kTilesBlocks <= kMaxTileBlocks && kWordsOfTile == kBlockWords);

// Tiles 0 to 3 accumulate, 4 and 5 hold codes, 6 and 7 weights.
template <int RowTiles, int Blocks>
void multiply_tiles(const Tile& t) {
  amx::zero<0>();
  if constexpr (Blocks > 1) amx::zero<1>();
  if constexpr (RowTiles > 1) amx::zero<2>();
  if constexpr (RowTiles > 1 && Blocks > 1) amx::zero<3>();
  const char* lower = t.codes + amx::kTileRows * t.row_bytes;
  for (int64_t word = 0; word < t.words; word += kWordsOfTile) {
    const uint8_t* weights = t.weights + amx::kRowBytes * word;
    amx::load<4>(t.codes + kWordCodes * word, t.row_bytes);
    amx::load<6>(weights, amx::kRowBytes);
    amx::dpbsud<0, 4, 6>();
    if constexpr (Blocks > 1) {
      amx::load<7>(weights + t.block_bytes, amx::kRowBytes);
      amx::dpbsud<1, 4, 7>();
    }
    if constexpr (RowTiles > 1) {
      amx::load<5>(lower + kWordCodes * word, t.row_bytes);
      amx::dpbsud<2, 5, 6>();
      if constexpr (Blocks > 1) amx::dpbsud<3, 5, 7>();
    }
  }
  constexpr int64_t kBytes = kAccStride * static_cast<int64_t>(sizeof *t.acc);
  constexpr int64_t kLower = amx::kTileRows * kAccStride;
  amx::store<0>(t.acc, kBytes);
  if constexpr (Blocks > 1) amx::store<1>(t.acc + kBlockOutputs, kBytes);
  if constexpr (RowTiles > 1) amx::store<2>(t.acc + kLower, kBytes);
  if constexpr (RowTiles > 1 && Blocks > 1) amx::store<3>(t.acc + kLower + kBlockOutputs, kBytes);
}

void multiply(const Tile& t) {
  if (t.rows <= kFewRows) return multiply_by_vnni(t);
  if (t.rows > amx::kTileRows) return t.blocks > 1 ? multiply_tiles<2, 2>(t) : multiply_tiles<2, 1>(t);
  return t.blocks > 1 ? multiply_tiles<1, 2>(t) : multiply_tiles<1, 1>(t);
}

void begin() { amx::configure_whole_tiles(); }
void end() { amx::release(); }

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = {.tile_rows = 2 * amx::kTileRows,
                                  .tile_blocks = kTilesBlocks,
                                  .row_bytes = row_bytes,
                                  .encode = encode,
                                  .multiply = multiply,
                                  .finish = avx512_vnni_kernels().finish,
                                  .activate = avx512_vnni_kernels().activate,
                                  .begin = begin,
                                  .end = end};
  return kernels;
}

}  // namespace nc_trainer
