// One block of queries against all the keys of its head, with the matrix product of an instruction set.
//
// A Product has kRows, the queries it takes at once, kPairs, the pairs it takes at once, and multiply(PanelProduct).
#pragma once

#include "attention_pack.h"
#include "attention_softmax.h"

namespace nc_trainer {
namespace {

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
int64_t work_bytes(int64_t, int64_t depth) {
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
  return {.name = name,
          .packed_bytes = packed_bytes<Product>,
          .work_bytes = work_bytes<Product>,
          .pack = pack<Product>,
          .attend = attend<Product>};
}

}  // namespace
}  // namespace nc_trainer
