// AVX-512 with VNNI: vpdpbusd multiplies the codes of 16 rows with one word of a weight, broadcast. Its sums of four
// products are added in 32 bits and do not saturate.
#include "int8_avx512.h"

namespace nc_trainer {
namespace {

constexpr int64_t kOutputs = 32;
constexpr int64_t kTileOutputs = 8;  // 8 outputs x 3 panels: 24 accumulators, 3 codes, 1 weight
constexpr int64_t kTilePanels = 3;
constexpr int64_t kLineWords = 16;
static_assert(kTilePanels <= kMaxPanels && kOutputs <= kMaxOutputs);

template <int Panels>
void multiply_tile(const char* panels, int64_t panel_stride, const Weights& weights, int64_t n, int64_t k,
                   int32_t* acc) {
  const int8_t* row[kTileOutputs];
  for (int64_t j = 0; j < kTileOutputs; ++j)  // outputs that are not there are computed from the last one
    row[j] = static_cast<const int8_t*>(weights.data) + (j < n ? j : n - 1) * weights.stride;
  __m512i sum[kTileOutputs][Panels];  // in registers, provided that every loop over it is unrolled early
#pragma GCC unroll 8
  for (int j = 0; j < kTileOutputs; ++j)
#pragma GCC unroll 3
    for (int p = 0; p < Panels; ++p) sum[j][p] = _mm512_setzero_si512();
  const int64_t words = (k + kWord - 1) / kWord, ahead = kOutputs * weights.stride;
  for (int64_t word = 0; word < words; ++word) {
    // The same outputs of the next block, which lie where the hardware does not look ahead: a cache line each.
    if (word % kLineWords == 0)
#pragma GCC unroll 8
      for (int j = 0; j < kTileOutputs; ++j) _mm_prefetch(row[j] + ahead + kWord * word, _MM_HINT_T1);
    __m512i codes[Panels];
#pragma GCC unroll 3
    for (int p = 0; p < Panels; ++p) codes[p] = _mm512_load_si512(panels + p * panel_stride + 64 * word);
#pragma GCC unroll 8
    for (int j = 0; j < kTileOutputs; ++j) {
      int32_t four;
      std::memcpy(&four, row[j] + kWord * word, sizeof four);
      const __m512i weight = _mm512_set1_epi32(four);
#pragma GCC unroll 3
      for (int p = 0; p < Panels; ++p) sum[j][p] = _mm512_dpbusd_epi32(sum[j][p], codes[p], weight);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kTileOutputs; ++j)
#pragma GCC unroll 3
    for (int p = 0; p < Panels; ++p) _mm512_storeu_si512(acc + j * kAccStride + p * kPanelRows, sum[j][p]);
}

void multiply(const void* panels, int64_t count, const Weights& weights, int64_t n, int64_t k, int32_t* acc) {
  const auto* codes = static_cast<const char*>(panels);
  const int64_t stride = panel_bytes(k);
  for (int64_t j = 0; j < n; j += kTileOutputs) {
    const Weights some{static_cast<const char*>(weights.data) + j * weights.stride, weights.stride};
    int32_t* out = acc + j * kAccStride;
    switch (count) {
      case 1: multiply_tile<1>(codes, stride, some, n - j, k, out); break;
      case 2: multiply_tile<2>(codes, stride, some, n - j, k, out); break;
      default: multiply_tile<kTilePanels>(codes, stride, some, n - j, k, out); break;
    }
  }
}

}  // namespace

const Kernels& avx512_vnni_kernels() {
  static constexpr Kernels kernels = {
      "avx512_vnni", kTilePanels, kOutputs, kMaxDotRows, panel_bytes, row_bytes, weight_row_bytes,
      encode_panel, encode_row, prepare_rows<kWord, kOutputs>, multiply, dot, finish, nullptr, nullptr};
  return kernels;
}

}  // namespace nc_trainer
