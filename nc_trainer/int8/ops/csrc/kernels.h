// The inner loops of one instruction set, behind a table of functions on raw pointers.
//
// The rows of x are quantized into panels of 16: for each group of neighbouring k (as many as one 32-bit word holds),
// the words of the 16 rows side by side. Weights are read as they are, row-major int8, a word at a time and broadcast,
// so that no packed copy of them exists. Accumulators come out transposed, [output][row], and `finish` turns them.
//
// A level that is added brings one kernels_<isa>.cpp, compiled with that instruction set's own flags, and one line
// in kernels.cpp. Such a file includes no C++ library and no ATen header: an inline function compiled there with
// newer instructions could be the copy the linker keeps for everyone.
#pragma once

#include <cstdint>

namespace nc_trainer {

enum class Element { kFloat32, kBFloat16, kInt8, kInt32 };
enum class Activation { kNone, kGelu, kGeluTanh, kRelu, kSilu, kTanh };

constexpr int64_t kPanelRows = 16;
constexpr int64_t kMaxPanels = 4;    // panels of one call to `multiply`, at most
constexpr int64_t kMaxOutputs = 32;  // outputs of one call, at most
constexpr int64_t kMaxDotRows = 8;

// Some rows of a matrix; they need not be neighbours.
struct Rows {
  const char* first;
  int64_t stride;         // bytes from row to row
  const int64_t* chosen;  // the numbers of the rows, or null: 0, 1, 2, ...

  const char* at(int64_t i) const { return first + (chosen ? chosen[i] : i) * stride; }
};

// Rows of the weight as `multiply` reads them.
struct Weights {
  const void* data;
  int64_t stride;  // bytes from row to row
};

// The outputs of up to 16 rows and n <= kMaxOutputs columns, from accumulators [n][acc_stride]:
//   y = (float(acc + offset[j]) * scale[j]) * row_scales[r] + bias[j],
// every operation rounded to fp32, then the activation, then converted to `type`. kInt32: acc + offset[j].
struct Outputs {
  const int32_t* acc;
  int64_t acc_stride, rows, n;
  const int32_t* offsets;   // [n]
  const float* row_scales;  // [16]
  const float* scale;       // [n]
  const float* bias;        // [n] or null: nothing is added
  Activation activation;
  Element type;
  char* out[kPanelRows];    // where the n outputs of each row go
};

struct Kernels {
  const char* name;

  int64_t panels;   // panels of one call to `multiply`, at most
  int64_t outputs;  // outputs of one call, at most
  int64_t dot_rows;  // up to so many rows `dot` is faster than `multiply`

  int64_t (*panel_bytes)(int64_t k);
  int64_t (*row_bytes)(int64_t k);           // codes of one row, for `dot`
  int64_t (*weight_row_bytes)(int64_t k);    // scratch that `prepare` may want for one row of the weight

  // Encode `rows` <= 16 rows, from row `first` on, and their scales (1 for int8 codes, which are taken as they are).
  // The rows that a panel has no row for get the code of zero and scale 0.
  void (*encode_panel)(const Rows& x, Element type, int64_t first, int64_t rows, int64_t k, void* panel,
                       float* scales);
  float (*encode_row)(const void* x, Element type, int64_t k, void* codes);

  // Make n <= outputs rows of the weight readable, in place or in `scratch`, and say what has to be added to the
  // accumulators of each output.
  Weights (*prepare)(const int8_t* weight, int64_t n, int64_t k, void* scratch, int32_t* offsets);

  // acc[j][16 * p + r] for `count` neighbouring panels and n outputs; rows of acc are 16 * kMaxPanels long. Up to
  // the next multiple of the tile, more outputs than n may be written.
  void (*multiply)(const void* panels, int64_t count, const Weights& weights, int64_t n, int64_t k, int32_t* acc);

  // The same for `rows` <= kMaxDotRows rows encoded by `encode_row`.
  void (*dot)(const void* codes, int64_t rows, const Weights& weights, int64_t n, int64_t k, int32_t* acc);

  void (*finish)(const Outputs& outputs);

  // Around the calls of one thread, where the instruction set has a state of its own; may be null.
  void (*begin)();
  void (*end)();
};

// The table for this CPU, or the one that $NC_TRAINER_ISA names. Null, with a reason, where there is none.
const Kernels* best_kernels(const char** reason);

// The tables that exist; a table may be called only on a CPU that has its instructions.
const Kernels& amx_kernels();
const Kernels& avx512_vnni_kernels();
const Kernels& avx_vnni_kernels();
const Kernels& avx2_kernels();

}  // namespace nc_trainer
