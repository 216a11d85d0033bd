// AMX: one tile holds 64 codes of 16 rows as `encode_panel` wrote them, another one 16 rows of the weight as they lie
// in memory. tdpbsud multiplies signed weights with unsigned codes.
#include "amx.h"
#include "int8_avx512.h"

namespace nc_trainer {
namespace {

constexpr int64_t kOutputs = 32;
constexpr int64_t kTilePanels = 2;
constexpr int64_t kStepBytes = kStep * kPanelRows;  // of a panel: one tile
constexpr int64_t kFewRows = 4;                     // so few rows would leave most of a tile empty
static_assert(kTilePanels <= kMaxPanels && kOutputs <= kMaxOutputs && kFewRows <= kMaxDotRows);

// Tiles 0 to 3 accumulate, 4 and 5 hold weights, 6 and 7 codes.
template <int OutputTiles, int Panels>
void multiply_tiles(const char* codes, const int8_t* weight, int64_t weight_stride, int64_t k, int32_t* acc) {
  const int64_t panel_stride = panel_bytes(k);
  const int8_t* lower = weight + kPanelRows * weight_stride;
  amx::zero<0>();
  if constexpr (Panels > 1) amx::zero<1>();
  if constexpr (OutputTiles > 1) amx::zero<2>();
  if constexpr (OutputTiles > 1 && Panels > 1) amx::zero<3>();
  for (int64_t i = 0; i < steps(k); ++i) {
    amx::load<6>(codes + i * kStepBytes, amx::kRowBytes);
    amx::load<4>(weight + i * kStep, weight_stride);
    amx::dpbsud<0, 4, 6>();
    if constexpr (Panels > 1) {
      amx::load<7>(codes + panel_stride + i * kStepBytes, amx::kRowBytes);
      amx::dpbsud<1, 4, 7>();
    }
    if constexpr (OutputTiles > 1) {
      amx::load<5>(lower + i * kStep, weight_stride);
      amx::dpbsud<2, 5, 6>();
      if constexpr (Panels > 1) amx::dpbsud<3, 5, 7>();
    }
  }
  constexpr int64_t kBytes = kAccStride * static_cast<int64_t>(sizeof *acc);
  amx::store<0>(acc, kBytes);
  if constexpr (Panels > 1) amx::store<1>(acc + kPanelRows, kBytes);
  if constexpr (OutputTiles > 1) amx::store<2>(acc + kPanelRows * kAccStride, kBytes);
  if constexpr (OutputTiles > 1 && Panels > 1) amx::store<3>(acc + kPanelRows * kAccStride + kPanelRows, kBytes);
}

void multiply(const void* panels, int64_t count, const Weights& weights, int64_t n, int64_t k, int32_t* acc) {
  const auto* codes = static_cast<const char*>(panels);
  const auto* weight = static_cast<const int8_t*>(weights.data);
  if (n > kPanelRows) {
    if (count > 1) return multiply_tiles<2, 2>(codes, weight, weights.stride, k, acc);
    return multiply_tiles<2, 1>(codes, weight, weights.stride, k, acc);
  }
  if (count > 1) return multiply_tiles<1, 2>(codes, weight, weights.stride, k, acc);
  return multiply_tiles<1, 1>(codes, weight, weights.stride, k, acc);
}

void begin() {
  amx::Config config;
  for (int tile = 0; tile < amx::kTiles; ++tile) config.set(tile, amx::kTileRows, amx::kRowBytes);
  amx::configure(config);
}

void end() { amx::release(); }

}  // namespace

const Kernels& amx_kernels() {
  static constexpr Kernels kernels = {
      "amx", kTilePanels, kOutputs, kFewRows, panel_bytes, row_bytes, weight_row_bytes,
      encode_panel, encode_row, prepare_rows<kStep, kOutputs>, multiply, dot, finish, begin, end};
  return kernels;
}

}  // namespace nc_trainer
