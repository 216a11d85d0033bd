// softmax(scale * Q K^T + mask) V for bf16 and fp32, and the kernels of one instruction set behind it.
//
// A level that is added brings one attention_<isa>.cpp or float_attention_<isa>.cpp, compiled with that instruction
// set's own flags, and one line in attention_kernels.cpp. Such a file includes no C++ library and no ATen header, see
// kernels.h.
#pragma once

#include <cstdint>

namespace nc_trainer {

enum class MaskType { kNone, kCausal, kBool, kFloat32, kBFloat16 };

namespace {
// Bytes of one element of a mask; 0 where there is none to read.
constexpr int64_t mask_bytes(MaskType type) {
  return type == MaskType::kBool ? 1 : type == MaskType::kBFloat16 ? 2 : type == MaskType::kFloat32 ? 4 : 0;
}
}  // namespace

// The rows of a [batch, heads, rows, depth] tensor with a dense last dimension; strides in elements.
template <class T>
struct Rows4d {
  T* data;
  int64_t batch_stride, head_stride, row_stride;

  T* at(int64_t batch, int64_t head) const { return data + batch * batch_stride + head * head_stride; }
};

template <class T>
struct AttentionOf {
  Rows4d<const T> query, key, value;
  Rows4d<T> out;
  MaskType mask_type;
  Rows4d<const char> mask;  // strides in bytes; 0 where it is broadcast
  int64_t batch, heads, key_heads, queries, keys, depth;
  float scale;  // positive
};

// One head of one row of the batch, restricted to the keys that some query sees.
template <class T>
struct HeadOf {
  const T *query, *key, *value;
  T* out;
  int64_t query_stride, key_stride, value_stride, out_stride;  // in elements
  MaskType mask_type;
  const char* mask;  // of the first query and the first key
  int64_t mask_stride;  // in bytes
  int64_t keys, depth;
  float scale;
};

template <class T>
struct KernelsOf {
  const char* name;

  // Bytes of the packed keys and values of a head, and of the working memory of `attend`.
  int64_t (*packed_bytes)(int64_t keys, int64_t depth);
  int64_t (*work_bytes)(int64_t keys, int64_t depth);

  // Both at 64-byte boundaries.
  void (*pack)(const HeadOf<T>& head, void* packed);
  void (*attend)(const HeadOf<T>& head, int64_t first, int64_t last, const void* packed, void* work);
};

using Attention = AttentionOf<uint16_t>;  // bf16
using AttentionHead = HeadOf<uint16_t>;
using AttentionKernels = KernelsOf<uint16_t>;

// The tables of the level in use, see isa.h; null where it has none for bf16.
const AttentionKernels* attention_kernels();
const KernelsOf<float>& float_attention_kernels();

// The tables that exist; a table may be called only on a CPU that has its instructions.
const AttentionKernels& attention_avx512bf16_kernels();
const AttentionKernels& attention_amx_kernels();
const KernelsOf<float>& float_attention_avx512_kernels();
const KernelsOf<float>& float_attention_avx2_kernels();

template <class T>
void run(const AttentionOf<T>& attention, const KernelsOf<T>& kernels);

}  // namespace nc_trainer
