// What the attention kernels with 512-bit vectors share: all but the matrix products.
//
// Everything here has internal linkage, so that each file that includes it has a copy compiled with its own flags.
// bf16 products take pairs: a packed matrix of `k` rows and `n` columns holds, for each pair of rows, the pairs of its
// columns side by side, in panels of up to 64 columns, panel after panel.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "attention.h"

namespace nc_trainer {
namespace {

constexpr int64_t kLanes = 16;            // 32-bit elements of a vector
constexpr int64_t kPanelVectors = 4;      // vectors of a whole panel
constexpr int64_t kKeyBlock = 512;        // keys whose scores are kept at once; a multiple of a panel
constexpr float kLog2E = 1.44269504088896341f;

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

__mmask16 first_lanes16(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1); }
__mmask32 first_lanes32(int64_t n) { return n >= 32 ? ~__mmask32{0} : n <= 0 ? 0 : (__mmask32{1} << n) - 1; }

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

// ---- packing ----

// Transposes a 16 x 16 matrix of 32-bit elements.
void transpose16(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

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

// ---- the matrix product, which each instruction set has for itself ----

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

// ---- softmax ----

// 2^x for x <= 0, and 0 for -infinity: relative error below 3e-6, and NaN for NaN. The fraction of x goes through a
// polynomial of degree 4, the best in relative error on [0, 1); vscalefps takes the floor of x itself.
__m512 exp2(__m512 x) {
  const __m512 fraction = _mm512_reduce_ps(x, 1);  // x - floor(x)
  __m512 y = _mm512_set1_ps(0.0135347405f);
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(0.0520103052f));
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(0.241443470f));
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(0.693003714f));
  y = _mm512_fmadd_ps(y, fraction, _mm512_set1_ps(1.00000262f));
  return _mm512_scalef_ps(y, x);
}

// What softmax keeps of a row between blocks of keys: the largest score so far and the sum of exp(score - peak).
struct RowState {
  float peak, sum;
};

// The scores of one row of queries against a block of keys.
struct ScoreRow {
  float* scores;     // [vectors * 16], products of queries and keys
  int64_t vectors;
  int64_t visible;   // keys from here on do not count
  const char* mask;  // of the first key
  float scale;
};

constexpr int64_t mask_bytes(MaskType type) {
  return type == MaskType::kBool ? 1 : type == MaskType::kBFloat16 ? 2 : type == MaskType::kFloat32 ? 4 : 0;
}

// scale * score + mask for 16 keys, -infinity for those that are not `valid`.
template <MaskType Type>
__m512 masked(__m512 score, __m512 scale, const char* mask, int64_t key, __mmask16 valid) {
  const __m512 nothing = _mm512_set1_ps(-__builtin_inff());
  if constexpr (Type == MaskType::kBool) {
    const __m128i bytes = _mm_maskz_loadu_epi8(valid, mask + key);
    return _mm512_mask_mul_ps(nothing, _mm_test_epi8_mask(bytes, bytes), score, scale);
  } else if constexpr (Type == MaskType::kFloat32) {
    const __m512 bias = _mm512_maskz_loadu_ps(valid, mask + 4 * key);
    return _mm512_mask_mov_ps(nothing, valid, _mm512_fmadd_ps(score, scale, bias));
  } else {
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(valid, mask + 2 * key));
    const __m512 bias = _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
    return _mm512_mask_mov_ps(nothing, valid, _mm512_fmadd_ps(score, scale, bias));
  }
}

// Apply scale and mask in place and return the largest result. Without a mask the scale is left to the caller.
template <MaskType Type>
float mask_scores(const ScoreRow& row) {
  const __m512 nothing = _mm512_set1_ps(-__builtin_inff()), scale = _mm512_set1_ps(row.scale);
  __m512 peak = nothing;
  for (int64_t v = 0; v < row.vectors; ++v) {
    const __mmask16 valid = first_lanes16(row.visible - v * kLanes);
    __m512 x = _mm512_load_ps(row.scores + v * kLanes);
    if constexpr (Type == MaskType::kNone || Type == MaskType::kCausal) {
      if (valid != 0xffff) {
        x = _mm512_mask_mov_ps(nothing, valid, x);
        _mm512_store_ps(row.scores + v * kLanes, x);
      }
    } else {
      x = masked<Type>(x, scale, row.mask, v * kLanes, valid);
      _mm512_store_ps(row.scores + v * kLanes, x);
    }
    peak = _mm512_max_ps(peak, x);
  }
  return _mm512_reduce_max_ps(peak);
}

float mask_scores(const ScoreRow& row, MaskType type) {
  switch (type) {
    case MaskType::kBool: return mask_scores<MaskType::kBool>(row);
    case MaskType::kFloat32: return mask_scores<MaskType::kFloat32>(row);
    case MaskType::kBFloat16: return mask_scores<MaskType::kBFloat16>(row);
    default: return mask_scores<MaskType::kNone>(row);
  }
}

// probabilities[i] = exp(scores[i] - peak) in bf16, zero up to `padded` vectors; returns their sum before rounding.
float exponentiate(const ScoreRow& row, float peak, float log2_scale, uint16_t* probabilities, int64_t padded) {
  const __m512 shift = _mm512_set1_ps(peak), scale = _mm512_set1_ps(log2_scale);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t v = 0; v < padded; ++v) {
    __m512 p = _mm512_setzero_ps();
    if (v < row.vectors) {
      const __m512 x = _mm512_load_ps(row.scores + v * kLanes);
      p = exp2(_mm512_mul_ps(_mm512_sub_ps(x, shift), scale));
      sum = _mm512_add_ps(sum, p);
    }
    const __m256i bits = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(p));
    _mm256_store_si256(reinterpret_cast<__m256i*>(probabilities + v * kLanes), bits);
  }
  return _mm512_reduce_add_ps(sum);
}

// Take a block of scores into the state of the row, and return by how much what was summed before has to shrink.
float advance(const ScoreRow& row, MaskType type, RowState& state, uint16_t* probabilities, int64_t padded) {
  const bool scaled = type != MaskType::kNone && type != MaskType::kCausal;
  const float log2_scale = scaled ? kLog2E : row.scale * kLog2E;
  const float largest = mask_scores(row, type);
  const float peak = largest > state.peak ? largest : state.peak;
  // A row that has seen no key yet subtracts 0: exp(-infinity) is 0, and -infinity minus itself would be NaN.
  const float shift = peak == -__builtin_inff() ? 0.0f : peak;
  const float sum = exponentiate(row, shift, log2_scale, probabilities, padded);
  const __m512 old = exp2(_mm512_set1_ps((state.peak - shift) * log2_scale));
  const float shrink = _mm512_cvtss_f32(old);
  state = {peak, state.sum * shrink + sum};
  return shrink;
}

void multiply_row(float* row, int64_t vectors, float factor) {
  for (int64_t v = 0; v < vectors; ++v)
    _mm512_store_ps(row + v * kLanes, _mm512_mul_ps(_mm512_load_ps(row + v * kLanes), _mm512_set1_ps(factor)));
}

// ---- queries ----

// Working memory for blocks of `Product::kRows` queries; rows are padded so that they do not share cache sets.
template <class Product>
struct WorkLayout {
  static constexpr int64_t kScoreStride = kKeyBlock + kLanes;
  static constexpr int64_t kProbabilityStride = kKeyBlock + 2 * kLanes;

  explicit WorkLayout(int64_t depth) {
    const Shape<Product::kPairs> shape{0, depth};
    sum_stride = shape.depth_vectors() * kLanes;
    query_stride = round_up(2 * shape.depth_pairs(), 2 * kLanes);
    sums = Product::kRows * kScoreStride * 4;
    probabilities = sums + Product::kRows * sum_stride * 4;
    queries = probabilities + Product::kRows * kProbabilityStride * 2;
    bytes = queries + Product::kRows * query_stride * 2;
  }

  int64_t sum_stride, query_stride;               // in elements
  int64_t sums, probabilities, queries, bytes;    // offsets in bytes; the scores are at 0
};

template <class Product>
int64_t work_bytes(int64_t depth) {
  return WorkLayout<Product>(depth).bytes;
}

template <class Product>
int64_t packed_bytes(int64_t keys, int64_t depth) {
  const Shape<Product::kPairs> shape{keys, depth};
  return (shape.packed_keys() + shape.packed_values()) * static_cast<int64_t>(sizeof(uint32_t));
}

template <class Product>
void pack(const AttentionHead& head, void* packed) {
  const Shape<Product::kPairs> shape{head.keys, head.depth};
  auto* keys = static_cast<uint32_t*>(packed);
  pack_keys<Product::kPairs>(head, keys);
  pack_values<Product::kPairs>(head, keys + shape.packed_keys());
}

// The queries [first, first + count) of a head, block of keys after block of keys.
template <class Product>
class QueryBlock {
 public:
  QueryBlock(const AttentionHead& head, int64_t first, int64_t count, const void* packed, void* memory)
      : head_(head), shape_{head.keys, head.depth}, layout_(head.depth), first_(first), count_(count) {
    keys_ = static_cast<const uint32_t*>(packed);
    values_ = keys_ + shape_.packed_keys();
    auto* const bytes = static_cast<char*>(memory);
    scores_ = reinterpret_cast<float*>(bytes);
    sums_ = reinterpret_cast<float*>(bytes + layout_.sums);
    probabilities_ = reinterpret_cast<uint16_t*>(bytes + layout_.probabilities);
    queries_ = reinterpret_cast<uint16_t*>(bytes + layout_.queries);
  }

  void run() {
    for (int64_t r = 0; r < count_; ++r) {
      states_[r] = {-__builtin_inff(), 0.0f};
      const uint16_t* from = head_.query + (first_ + r) * head_.query_stride;
      for (int64_t i = 0; i < layout_.query_stride; i += 2 * kLanes)
        _mm512_store_si512(queries_ + r * layout_.query_stride + i,
                           _mm512_maskz_loadu_epi16(first_lanes32(head_.depth - i), from + i));
    }
    const int64_t visible = head_.mask_type == MaskType::kCausal ? smaller(head_.keys, first_ + count_) : head_.keys;
    for (int64_t key = 0; key < visible; key += kKeyBlock) {
      const int64_t keys = smaller(kKeyBlock, visible - key);
      multiply_keys(key, keys);
      softmax(key, keys);
      multiply_values(key, keys);
    }
    for (int64_t r = 0; r < count_; ++r) finish_row(r, visible > 0);
  }

 private:
  using Layout = WorkLayout<Product>;

  void multiply_keys(int64_t key, int64_t keys) {
    const int64_t pairs = shape_.depth_pairs(), first = key / kLanes / kPanelVectors;
    for (int64_t v = 0; v < divide_up(keys, kLanes); v += kPanelVectors) {
      const int64_t panel = first + v / kPanelVectors;
      Product::multiply({queries_, layout_.query_stride, keys_ + panel_offset(panel, pairs),
                         scores_ + v * kLanes, Layout::kScoreStride, count_,
                         panel_vectors(panel, shape_.key_vectors()), pairs, false});
    }
  }

  void softmax(int64_t key, int64_t keys) {
    const int64_t padded = divide_up(2 * block_pairs(keys), kLanes);
    for (int64_t r = 0; r < count_; ++r) {
      const int64_t query = first_ + r;
      const int64_t visible = head_.mask_type == MaskType::kCausal ? smaller(keys, query + 1 - key) : keys;
      const char* mask = head_.mask + query * head_.mask_stride + key * mask_bytes(head_.mask_type);
      const ScoreRow row{scores_ + r * Layout::kScoreStride, divide_up(keys, kLanes), visible, mask,
                         head_.scale};
      const float shrink = advance(row, head_.mask_type, states_[r],
                                   probabilities_ + r * Layout::kProbabilityStride, padded);
      if (key > 0) multiply_row(sums_ + r * layout_.sum_stride, shape_.depth_vectors(), shrink);
    }
  }

  void multiply_values(int64_t key, int64_t keys) {
    const int64_t vectors = shape_.depth_vectors();
    for (int64_t v = 0; v < vectors; v += kPanelVectors) {
      const int64_t panel = v / kPanelVectors, width = panel_vectors(panel, vectors);
      Product::multiply({probabilities_, Layout::kProbabilityStride,
                         values_ + panel_offset(panel, shape_.key_pairs()) + key / 2 * width * kLanes,
                         sums_ + v * kLanes, layout_.sum_stride, count_, width, block_pairs(keys), key > 0});
    }
  }

  static int64_t block_pairs(int64_t keys) { return round_up(divide_up(keys, 2), Product::kPairs); }

  // A row that saw no key is zero, as in torch.
  void finish_row(int64_t r, bool any) {
    const float inverse = any && states_[r].sum != 0.0f ? 1.0f / states_[r].sum : 0.0f;
    for (int64_t v = 0; v < shape_.depth_vectors(); ++v) {
      const __m512 sum = any ? _mm512_load_ps(sums_ + r * layout_.sum_stride + v * kLanes) : _mm512_setzero_ps();
      const __m256bh bits = _mm512_cvtneps_pbh(_mm512_mul_ps(sum, _mm512_set1_ps(inverse)));
      _mm256_mask_storeu_epi16(head_.out + (first_ + r) * head_.out_stride + v * kLanes,
                               first_lanes16(head_.depth - v * kLanes), reinterpret_cast<__m256i>(bits));
    }
  }

  const AttentionHead& head_;
  const Shape<Product::kPairs> shape_;
  const Layout layout_;
  const int64_t first_, count_;
  const uint32_t *keys_, *values_;      // packed
  float *scores_, *sums_;               // queries times keys, probabilities times values
  uint16_t *probabilities_, *queries_;
  RowState states_[Product::kRows];
};

template <class Product>
void attend(const AttentionHead& head, int64_t first, int64_t last, const void* packed, void* work) {
  for (int64_t row = first; row < last; row += Product::kRows)
    QueryBlock<Product>(head, row, smaller(Product::kRows, last - row), packed, work).run();
}

template <class Product>
constexpr AttentionKernels kernels_of(const char* name) {
  return {name, packed_bytes<Product>, work_bytes<Product>, pack<Product>, attend<Product>};
}

}  // namespace
}  // namespace nc_trainer
