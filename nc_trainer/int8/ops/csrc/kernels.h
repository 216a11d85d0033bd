// The inner loops of one instruction set, behind a table of functions on raw pointers.
//
// A level that is added brings one kernels_<isa>.cpp, compiled with that instruction set's own flags, and one line
// in isa.cpp and kernels.cpp. Such a file includes no C++ library and no ATen header: an inline function compiled there
// with newer instructions could be the copy the linker keeps for everyone.
//
// Weights [N, K] are packed: 16 outputs form a block, in which, for each four neighbouring k, the codes of the 16
// outputs lie side by side, as bytes code + 128. Four k of one output are a word:
//
//            k 0..3            k 4..7                   k K-4..K-1         0 <= k < K, padded to a multiple of 64
//        +----------------+----------------+       +----------------+
//        | o0 o1 ... o15  | o0 o1 ... o15  |  ...  | o0 o1 ... o15  |      block 0: outputs 0 to 15
//        +----------------+----------------+       +----------------+
//        | o16       o31  | ...                                     |      block 1: outputs 16 to 31, and so on
//        +----------------------------------------------------------+
//          64 bytes: a vector of AVX-512, two of AVX2; 16 of them are a tile of AMX
//
// The rows of x are quantized to signed codes and stay row-major, padded with zeros. A tile multiplies some rows with
// some blocks: a word of a row, broadcast, meets a vector of a block, and the sums come out row-major too:
//
//     acc[row][output] = sum over k of x[row][k] * (w[output][k] + 128)
//
// The 128 is taken out by adding `offset[row]` = -128 * (sum of the codes of the row).
#pragma once

#include <cstdint>

#include "activation.h"

namespace nc_trainer {

enum class Element { kFloat32, kBFloat16, kInt8, kInt32 };

constexpr int64_t kWordCodes = 4;      // codes of a word: four neighbouring k
constexpr int64_t kBlockOutputs = 16;  // outputs of a block of the packed weights
constexpr int64_t kBlockWords = 16;    // the words of an output are padded to a multiple of this
constexpr int64_t kMaxTileRows = 32;
constexpr int64_t kMaxTileBlocks = 4;
constexpr int64_t kAccStride = kMaxTileBlocks * kBlockOutputs;

// What quantizing a row found.
struct RowFactors {
  float scale;
  int32_t offset;
};

struct Tile {
  const char* codes;  // of the first row, as `encode` wrote them
  int64_t row_bytes;
  int64_t rows;
  const uint8_t* weights;  // of the first block
  int64_t words;           // of one output, a multiple of kBlockWords
  int64_t block_bytes;
  int64_t blocks;
  int32_t* acc;  // [kMaxTileRows][kAccStride], at a 64-byte boundary
};

// The outputs of a tile, from its accumulators:
//   y = (float(acc + offset[r]) * scale[j]) * row_scale[r] + bias[j],
// every operation rounded to fp32, then the activation, then converted to `type`. kInt32: acc + offset[r].
struct Outputs {
  const int32_t* acc;
  int64_t rows, n;
  const RowFactors* factors;  // [rows]
  const float* scale;         // [n]; unused for kInt32
  const float* bias;          // [n] or null: nothing is added
  Activation activation;
  Element type;
  char* out[kMaxTileRows];    // where the n outputs of each row go
};

struct Kernels {
  int64_t tile_rows, tile_blocks;  // of one call to `multiply`, at most

  // Encode one row of k values (int8 codes are taken as they are) in `row_bytes` bytes at a 64-byte boundary.
  int64_t (*row_bytes)(int64_t k);
  RowFactors (*encode)(const void* x, Element type, int64_t k, void* codes);

  // Up to the next 16 rows, more rows than there are may be read and written.
  void (*multiply)(const Tile& tile);
  void (*finish)(const Outputs& outputs);

  // out = activation(x), element by element, with the bits that `finish` gives: in and out may be the same.
  void (*activate)(Activation activation, const float* x, int64_t n, float* out);

  // Around the calls of one thread, where the instruction set has a state of its own; may be null.
  void (*begin)();
  void (*end)();
};

// The table of the level in use, see isa.h.
const Kernels& kernels();

// The tables that exist; a table may be called only on a CPU that has its instructions.
const Kernels& amx_kernels();
const Kernels& avx512_vnni_kernels();  // rounds to bf16 by AVX512_BF16 where the CPU has it
const Kernels& avx_vnni_kernels();
const Kernels& avx2_kernels();

}  // namespace nc_trainer
