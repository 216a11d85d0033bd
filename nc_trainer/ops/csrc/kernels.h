// The inner loops of one instruction set, behind a table of functions on raw pointers.
//
// A level that is added brings one kernels_<isa>.cpp, compiled with that instruction set's own flags, and one line
// in kernels.cpp. Such a file includes no C++ library and no ATen header: an inline function compiled there with
// newer instructions could be the copy the linker keeps for everyone.
#pragma once

#include <cstdint>

namespace nc_trainer {

enum class Element { kFloat32, kBFloat16, kInt8, kInt32 };

// Outputs are computed in tiles of at most this many rows and panels of this many neighbouring columns.
constexpr int64_t kMaxTileRows = 32;
constexpr int64_t kPanel = 16;

// The outputs of `rows` rows and `n` <= kPanel columns: y = (float(acc) * scale[j]) * row_scales[r] + bias[j],
// every operation rounded to fp32, then converted to `type` (kFloat32 or kBFloat16).
struct Tile {
  const int32_t* accumulators;  // [rows, kPanel]
  int64_t rows, n;
  const float* row_scales;      // [rows]
  const float* scale;           // [n]
  const float* bias;            // [n] or null: nothing is added
  void* out;                    // [rows, n], `out_stride` elements from row to row
  int64_t out_stride;
  Element type;
};

struct Kernels {
  const char* name;

  // Rows of one call to `multiply_packed`, at most.
  int64_t tile_rows;

  // Bytes that the codes of one row of `k` elements take, as `encode_row` writes them, and bytes of a packed panel.
  int64_t (*row_bytes)(int64_t k);
  int64_t (*panel_bytes)(int64_t k);

  // Encode one row and return its scale: fp32 and bf16 are quantized, int8 codes are taken as they are (scale 1).
  float (*encode_row)(const void* x, Element type, int64_t k, void* codes);

  // Rearrange `n` <= kPanel rows of an int8 [n, k] matrix for `multiply_packed`; the missing rows are zero.
  void (*pack_panel)(const int8_t* weight, int64_t n, int64_t k, void* panel);

  // accumulators[r * kPanel + j] = codes[r] . weight[j], exact, for `rows` <= tile_rows rows.
  void (*multiply_packed)(const void* codes, int64_t rows, const void* panel, int64_t k, int32_t* accumulators);

  // The same for one row, and `n` <= kPanel rows of a weight that was not packed. Reads no byte past their end.
  void (*multiply_plain)(const void* codes, const int8_t* weight, int64_t n, int64_t k, int32_t* accumulators);

  void (*dequantize)(const Tile& tile);
};

// The best table this CPU can run, or null.
const Kernels* best_kernels();

// The tables that exist; a table may be called only on a CPU that has its instructions.
const Kernels& avx2_kernels();

}  // namespace nc_trainer
