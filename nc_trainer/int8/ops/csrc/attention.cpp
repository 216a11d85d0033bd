#include "attention.h"

#include <algorithm>
#include <vector>

#include "arithmetic.h"
#include "parallel.h"
#include "scratch.h"

namespace nc_trainer {
namespace {

constexpr int64_t kTaskProducts = 1 << 18;  // multiplications worth waking another thread for
constexpr int64_t kTaskQueries = 24;        // queries worth packing the keys and values for once more
constexpr int64_t kTaskElements = 1 << 17;  // mask elements worth waking another thread for
constexpr float kHidden = -1e30f;           // a float mask up to here leaves nothing of exp(score + mask)

// What one mask, of a row of the batch or of one of its heads, leaves to do.
struct Visible {
  int64_t begin, end;  // every key that some query sees is here
  bool masked;         // whether the mask says anything about these keys
};

float float_of(float x) { return x; }
float float_of(uint16_t x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x) << 16); }

bool is_seen(uint8_t x) { return x != 0; }
bool is_clear(uint8_t x) { return x != 0; }
template <class T>
bool is_seen(T x) { return float_of(x) > kHidden; }
template <class T>
bool is_clear(T x) { return float_of(x) == 0.0f; }

template <class T>
Visible visible_keys(const char* mask, int64_t row_stride, int64_t queries, int64_t keys) {
  std::vector<uint8_t> seen(keys, 0), clear(keys, 1);
  bool every_query_sees = true;
  for (int64_t q = 0; q < (row_stride == 0 ? 1 : queries); ++q) {
    const T* row = reinterpret_cast<const T*>(mask + q * row_stride);
    uint8_t any = 0;
    for (int64_t k = 0; k < keys; ++k) {
      any |= is_seen(row[k]);
      seen[k] |= is_seen(row[k]);
      clear[k] &= is_clear(row[k]);
    }
    every_query_sees &= any;
  }
  // A query that a float mask hides from all keys sees all of them alike, unless the mask is infinite.
  if (!every_query_sees && sizeof(T) > 1) return {0, keys, true};
  const int64_t begin = std::find(seen.begin(), seen.end(), 1) - seen.begin();
  if (begin == keys) return {0, 0, false};
  const int64_t end = seen.rend() - std::find(seen.rbegin(), seen.rend(), 1);
  return {begin, end, std::find(clear.begin() + begin, clear.begin() + end, 0) != clear.begin() + end};
}

template <class T>
Visible visible_keys(const AttentionOf<T>& a, int64_t batch, int64_t head) {
  const char* mask = a.mask.at(batch, head);
  switch (a.mask_type) {
    case MaskType::kBool: return visible_keys<uint8_t>(mask, a.mask.row_stride, a.queries, a.keys);
    case MaskType::kFloat32: return visible_keys<float>(mask, a.mask.row_stride, a.queries, a.keys);
    case MaskType::kBFloat16: return visible_keys<uint16_t>(mask, a.mask.row_stride, a.queries, a.keys);
    default: return {0, a.keys, a.mask_type == MaskType::kCausal};
  }
}

// Looks at each mask once, however many heads and rows of the batch it is broadcast to.
class Masks {
 public:
  template <class T>
  explicit Masks(const AttentionOf<T>& a)
      : heads_(a.mask.head_stride == 0 ? 1 : a.heads), batch_(a.mask.batch_stride == 0 ? 1 : a.batch),
        visible_(heads_ * batch_) {
    const int64_t grain = std::max<int64_t>(kTaskElements / std::max<int64_t>(a.queries * a.keys, 1), 1);
    parallel_for(0, heads_ * batch_, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) visible_[i] = visible_keys(a, i / heads_, i % heads_);
    });
  }

  const Visible& at(int64_t batch, int64_t head) const {
    return visible_[(batch_ == 1 ? 0 : batch) * heads_ + (heads_ == 1 ? 0 : head)];
  }

 private:
  int64_t heads_, batch_;
  std::vector<Visible> visible_;
};

template <class T>
HeadOf<T> head_of(const AttentionOf<T>& a, const Visible& visible, int64_t batch, int64_t head) {
  const int64_t key_head = head / (a.heads / a.key_heads);
  const MaskType type = visible.masked ? a.mask_type : MaskType::kNone;
  const bool reads_mask = type != MaskType::kNone && type != MaskType::kCausal;
  return {.query = a.query.at(batch, head),
          .key = a.key.at(batch, key_head) + visible.begin * a.key.row_stride,
          .value = a.value.at(batch, key_head) + visible.begin * a.value.row_stride,
          .out = a.out.at(batch, head),
          .query_stride = a.query.row_stride,
          .key_stride = a.key.row_stride,
          .value_stride = a.value.row_stride,
          .out_stride = a.out.row_stride,
          .mask_type = type,
          .mask = reads_mask ? a.mask.at(batch, head) + visible.begin * mask_bytes(type) : nullptr,
          .mask_stride = reads_mask ? a.mask.row_stride : 0,
          .keys = visible.end - visible.begin,
          .depth = a.depth,
          .scale = a.scale};
}

}  // namespace

template <class T>
void run(const AttentionOf<T>& a, const KernelsOf<T>& kernels) {
  const int64_t heads = a.batch * a.heads;
  if (heads * a.queries * a.depth == 0) return;
  const Masks masks(a);
  // Heads are tasks; if there are fewer than threads, each is cut into parts that pack its keys and values again.
  const int64_t products = 2 * a.queries * a.keys * a.depth;
  const int64_t wanted = std::min<int64_t>(thread_count(), heads * products / kTaskProducts);
  const int64_t parts = std::clamp<int64_t>(divide_up(wanted, heads), 1, divide_up(a.queries, kTaskQueries));
  const int64_t grain = std::max<int64_t>(kTaskProducts * parts / std::max<int64_t>(products, 1), 1);
  parallel_for(0, heads * parts, grain, [&](int64_t begin, int64_t end) {
    static thread_local Scratch packed_memory, work_memory;
    void* const packed = packed_memory.reserve(kernels.packed_bytes(a.keys, a.depth));
    void* const work = work_memory.reserve(kernels.work_bytes(a.keys, a.depth));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t batch = task / parts / a.heads, index = task / parts % a.heads, part = task % parts;
      const HeadOf<T> head = head_of(a, masks.at(batch, index), batch, index);
      if (task == begin || part == 0) kernels.pack(head, packed);
      kernels.attend(head, part * a.queries / parts, (part + 1) * a.queries / parts, packed, work);
    }
  });
}

template void run(const AttentionOf<uint16_t>&, const KernelsOf<uint16_t>&);
template void run(const AttentionOf<float>&, const KernelsOf<float>&);

}  // namespace nc_trainer
