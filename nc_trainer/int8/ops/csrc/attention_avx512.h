// Sizes and layouts that the attention kernels with 512-bit vectors share.
//
// bf16 products take pairs: a packed matrix of `k` rows and `n` columns holds, for each pair of rows, the pairs of its
// columns side by side, in panels of up to 64 columns, panel after panel.
#pragma once

#include "attention.h"
#include "avx512_common.h"

namespace nc_trainer {
namespace {

constexpr int64_t kPanelVectors = 4;      // vectors of a whole panel
constexpr int64_t kKeyBlock = 512;        // keys whose scores are kept at once; a multiple of a panel
constexpr float kLog2E = 1.44269504088896341f;

// Sizes of one head, for a matrix product that takes `Pairs` pairs at once.
template <int64_t Pairs>
struct Shape {
  int64_t keys, depth;

  int64_t depth_pairs() const { return round_up(divide_up(depth, 2), Pairs); }
  int64_t depth_vectors() const { return divide_up(depth, kLanes); }
  int64_t key_pairs() const { return round_up(divide_up(keys, 2), Pairs); }
  int64_t key_vectors() const { return divide_up(keys, kLanes); }
  int64_t packed_keys() const { return depth_pairs() * key_vectors() * kLanes; }      // in pairs
  int64_t packed_values() const { return key_pairs() * depth_vectors() * kLanes; }    // in pairs
};

// The first pair of panel `panel` in a packed matrix of `pairs` pairs of rows.
int64_t panel_offset(int64_t panel, int64_t pairs) { return panel * pairs * kPanelVectors * kLanes; }
int64_t panel_vectors(int64_t panel, int64_t vectors) { return smaller(kPanelVectors, vectors - panel * kPanelVectors); }

// c[r][j] (+)= a[r] . column j of the panel, for `rows` rows and `vectors` * 16 columns.
struct PanelProduct {
  const uint16_t* a;
  int64_t a_stride;
  const uint32_t* panel;
  float* c;
  int64_t c_stride;
  int64_t rows, vectors, pairs;
  bool accumulate;
};

}  // namespace
}  // namespace nc_trainer
