// Keys and values of one head in the order in which products take them.
#pragma once

#include "attention_avx512.h"
#include "transpose_avx512.h"

namespace nc_trainer {
namespace {

// Keys [keys, depth] become the packed matrix of `depth` rows and `keys` columns; what is missing is zero.
template <int64_t Pairs>
void pack_keys(const AttentionHead& head, uint32_t* packed) {
  const Shape<Pairs> shape{head.keys, head.depth};
  const int64_t pairs = shape.depth_pairs(), vectors = shape.key_vectors();
  for (int64_t vector = 0; vector < vectors; ++vector) {
    const int64_t panel = vector / kPanelVectors, width = panel_vectors(panel, vectors) * kLanes;
    uint32_t* const to = packed + panel_offset(panel, pairs) + vector % kPanelVectors * kLanes;
    for (int64_t pair = 0; pair < pairs; pair += kLanes) {
      const __mmask32 valid = first_lanes32(head.depth - 2 * pair);
      __m512i rows[kLanes];
      for (int64_t r = 0; r < kLanes; ++r) {
        const int64_t key = vector * kLanes + r;
        rows[r] = key < head.keys ? _mm512_maskz_loadu_epi16(valid, head.key + key * head.key_stride + 2 * pair)
                                  : _mm512_setzero_si512();
      }
      transpose16(rows);
      for (int64_t r = 0; r < smaller(kLanes, pairs - pair); ++r) _mm512_store_si512(to + (pair + r) * width, rows[r]);
    }
  }
}

// Values [keys, depth] become the packed matrix of `keys` rows and `depth` columns; what is missing is zero.
template <int64_t Pairs>
void pack_values(const AttentionHead& head, uint32_t* packed) {
  const Shape<Pairs> shape{head.keys, head.depth};
  alignas(64) static constexpr uint16_t kLow[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                    8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low = _mm512_load_si512(kLow), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  const int64_t pairs = shape.key_pairs(), vectors = shape.depth_vectors();
  const auto row = [&](int64_t key, int64_t first) {
    return key < head.keys
               ? _mm512_maskz_loadu_epi16(first_lanes32(head.depth - first), head.value + key * head.value_stride + first)
               : _mm512_setzero_si512();
  };
  for (int64_t vector = 0; vector < vectors; vector += 2) {
    const int64_t panel = vector / kPanelVectors, width = panel_vectors(panel, vectors) * kLanes;
    uint32_t* const to = packed + panel_offset(panel, pairs) + vector % kPanelVectors * kLanes;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const __m512i even = row(2 * pair, vector * kLanes), odd = row(2 * pair + 1, vector * kLanes);
      _mm512_store_si512(to + pair * width, _mm512_permutex2var_epi16(even, low, odd));
      if (vector + 1 < vectors)
        _mm512_store_si512(to + pair * width + kLanes, _mm512_permutex2var_epi16(even, high, odd));
    }
  }
}

}  // namespace
}  // namespace nc_trainer
