// Attention in fp32: a few queries against all the keys of their head.
//
// The bits of a query's result depend on the keys that it sees and on nothing else: scores are sums in the order of the
// depth, the sum of the probabilities and what they leave of the values are taken in the order of the keys, and keys
// outside of the range that the mask leaves are not there.
#pragma once

#include "attention.h"
#include "float_panel.h"

namespace nc_trainer {
namespace {

constexpr int64_t kQueryRows = 2 * kPanelRows;

struct FloatWork {
  int64_t scores_stride, sums_stride;  // in floats; rows are padded so that they do not share cache sets
  int64_t bytes() const { return kQueryRows * (scores_stride + sums_stride) * static_cast<int64_t>(sizeof(float)); }
};

FloatWork float_work(int64_t keys, int64_t depth) {
  return {round_up(keys, kLanesOfFloats) + kLanesOfFloats, round_up(depth, kLanesOfFloats) + kLanesOfFloats};
}

int64_t float_work_bytes(int64_t keys, int64_t depth) { return float_work(keys, depth).bytes(); }

// The keys transposed, [depth, keys], and the values, [keys, depth], both in panels.
int64_t float_packed_bytes(int64_t keys, int64_t depth) {
  const int64_t wide_keys = round_up(keys, kLanesOfFloats), wide_depth = round_up(depth, kLanesOfFloats);
  return (depth * wide_keys + keys * wide_depth) * static_cast<int64_t>(sizeof(float));
}

// Where column `vector * 16` of row 0 is in a packed matrix, and how far its rows are apart.
template <class V>
struct PanelPlace {
  PanelPlace(int64_t vector, int64_t vectors, int64_t rows) {
    const int64_t panel = vector / V::kTileVectors, first = panel * V::kTileVectors;
    stride = smaller(V::kTileVectors, vectors - first) * kLanesOfFloats;
    offset = first * kLanesOfFloats * rows + (vector - first) * kLanesOfFloats;
  }
  int64_t offset, stride;
};

template <class V>
void pack_values(const HeadOf<float>& head, float* packed) {
  const int64_t vectors = divide_up(head.depth, kLanesOfFloats);
  for (int64_t v = 0; v < vectors; ++v) {
    const PanelPlace<V> place(v, vectors, head.keys);
    for (int64_t key = 0; key < head.keys; ++key) {
      const float* from = head.value + key * head.value_stride + v * kLanesOfFloats;
      V::store(packed + place.offset + key * place.stride, V::load(from, head.depth - v * kLanesOfFloats));
    }
  }
}

// `transpose` takes up to 16 rows of up to 16 floats and writes them as 16 columns.
template <class V, class Transpose>
void pack_keys(const HeadOf<float>& head, float* packed, const Transpose& transpose) {
  const int64_t vectors = divide_up(head.keys, kLanesOfFloats);
  for (int64_t v = 0; v < vectors; ++v) {
    const PanelPlace<V> place(v, vectors, head.depth);
    const int64_t keys = smaller(kLanesOfFloats, head.keys - v * kLanesOfFloats);
    const float* from = head.key + v * kLanesOfFloats * head.key_stride;
    for (int64_t d = 0; d < head.depth; d += kLanesOfFloats)
      transpose(from + d, head.key_stride, keys, smaller(kLanesOfFloats, head.depth - d),
                packed + place.offset + d * place.stride, place.stride);
  }
}

float mask_value(const HeadOf<float>& head, const char* mask, int64_t key) {
  constexpr float kNothing = -__builtin_inff();
  if (head.mask_type == MaskType::kBool) return mask[key] ? 0.0f : kNothing;
  if (head.mask_type == MaskType::kFloat32) return reinterpret_cast<const float*>(mask)[key];
  const uint32_t bits = static_cast<uint32_t>(reinterpret_cast<const uint16_t*>(mask)[key]) << 16;
  return __builtin_bit_cast(float, bits);
}

// scale * score + mask in place for the first `keys` keys, -infinity for those that are not seen and for what fills the
// last vector; the largest.
template <class V>
float mask_scores(const HeadOf<float>& head, int64_t query, int64_t keys, float* scores) {
  const bool masks = head.mask_type != MaskType::kNone && head.mask_type != MaskType::kCausal;
  const int64_t seen = head.mask_type == MaskType::kCausal ? smaller(keys, query + 1) : keys;
  const int64_t padded = round_up(keys, kLanesOfFloats);
  const char* mask = head.mask + query * head.mask_stride;
  for (int64_t key = seen; key < padded; ++key) scores[key] = -__builtin_inff();
  auto most = V::set(-__builtin_inff());
  for (int64_t key = 0; key < padded; key += kLanesOfFloats) {
    auto x = V::mul(V::load(scores + key), V::set(head.scale));
    if (masks) {
      float added[kLanesOfFloats] = {};
      for (int64_t i = 0; i < smaller(kLanesOfFloats, keys - key); ++i) added[i] = mask_value(head, mask, key + i);
      x = V::add(x, V::load(added));
    }
    V::store(scores + key, x);
    most = V::max(most, x);
  }
  return largest_of<V>(most);
}

// Scores become exp(score - largest), and their sum is returned.
template <class V>
float softmax(const HeadOf<float>& head, int64_t query, int64_t keys, float* scores) {
  const float largest = mask_scores<V>(head, query, keys, scores);
  // A query that sees no key subtracts 0: -infinity minus itself would be NaN.
  const auto shift = V::set(largest == -__builtin_inff() ? 0.0f : largest);
  auto sum = V::zero();
  for (int64_t key = 0; key < keys; key += kLanesOfFloats) {
    const auto p = exp_of<V>(V::sub(V::load(scores + key), shift));
    V::store(scores + key, p);
    sum = V::add(sum, p);
  }
  return sum_of<V>(sum);
}

template <class V>
void attend_to(const HeadOf<float>& head, int64_t first, int64_t count, const float* packed, float* work) {
  const FloatWork layout = float_work(head.keys, head.depth);
  float *const scores = work, *const sums = work + kQueryRows * layout.scores_stride;
  const PackedMatrix keys{packed, head.depth, head.keys};
  const PackedMatrix values{packed + head.depth * round_up(head.keys, kLanesOfFloats), head.keys, head.depth};
  const int64_t seen = head.mask_type == MaskType::kCausal ? smaller(head.keys, first + count) : head.keys;
  multiply<V>(head.query + first * head.query_stride, head.query_stride, count, head.depth, keys, seen, scores,
              layout.scores_stride);
  float totals[kQueryRows];
  for (int64_t r = 0; r < count; ++r) totals[r] = softmax<V>(head, first + r, seen, scores + r * layout.scores_stride);
  multiply<V>(scores, layout.scores_stride, count, seen, values, head.depth, sums, layout.sums_stride);
  for (int64_t r = 0; r < count; ++r) {
    const auto inverse = V::set(totals[r] != 0.0f ? 1.0f / totals[r] : 0.0f);
    for (int64_t d = 0; d < head.depth; d += kLanesOfFloats)
      V::store(head.out + (first + r) * head.out_stride + d,
               V::mul(V::load(sums + r * layout.sums_stride + d), inverse), head.depth - d);
  }
}

template <class V>
void attend_float(const HeadOf<float>& head, int64_t first, int64_t last, const void* packed, void* work) {
  for (int64_t row = first; row < last; row += kQueryRows)
    attend_to<V>(head, row, smaller(kQueryRows, last - row), static_cast<const float*>(packed),
                 static_cast<float*>(work));
}

template <class V, auto Transpose>
void pack_float(const HeadOf<float>& head, void* packed) {
  auto* const keys = static_cast<float*>(packed);
  pack_keys<V>(head, keys, Transpose);
  pack_values<V>(head, keys + head.depth * round_up(head.keys, kLanesOfFloats));
}

template <class V, auto Transpose>
constexpr KernelsOf<float> float_kernels_of(const char* name) {
  return {.name = name,
          .packed_bytes = float_packed_bytes,
          .work_bytes = float_work_bytes,
          .pack = pack_float<V, Transpose>,
          .attend = attend_float<V>};
}

}  // namespace
}  // namespace nc_trainer
