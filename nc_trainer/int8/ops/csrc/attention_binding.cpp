// The attention operator, as torch sees it: checks, allocation, and the call into the kernels.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "attention.h"
#include "tensors.h"

namespace nc_trainer {
namespace {

void check_rows(const Tensor& t, ScalarType dtype, const char* name) {
  const bool known = dtype == ScalarType::BFloat16 || dtype == ScalarType::Float;
  NC_TRAINER_CHECK(t.is_cpu() && known && t.scalar_type() == dtype && t.dim() == 4, name,
                   " must be a CPU tensor of shape [batch, heads, tokens, depth], bf16 or fp32 like the others, got ",
                   dtype_of(t), " ", t.sizes());
}

void check_inputs(const Tensor& query, const Tensor& key, const Tensor& value, double scale) {
  const ScalarType dtype = query.scalar_type();
  check_rows(query, dtype, "query");
  check_rows(key, dtype, "key");
  check_rows(value, dtype, "value");
  NC_TRAINER_CHECK(std::ranges::equal(key.sizes(), value.sizes()), "key and value differ in shape: ", key.sizes(),
                   " and ", value.sizes());
  NC_TRAINER_CHECK(query.size(0) == key.size(0) && query.size(3) == key.size(3), "query ", query.sizes(), " and key ",
                   key.sizes(), " differ in batch or depth");
  NC_TRAINER_CHECK(key.size(1) > 0 ? query.size(1) % key.size(1) == 0 : query.size(1) == 0, query.size(1),
                   " heads of the query are no multiple of ", key.size(1), " heads of the key");
  NC_TRAINER_CHECK(scale > 0 && std::isfinite(scale), "scale must be positive, got ", scale);
}

template <class T>
Rows4d<T> rows_of(const Tensor& t) {
  return {static_cast<T*>(t.data_ptr()), t.stride(0), t.stride(1), t.stride(2)};
}

MaskType mask_type(const Tensor& mask) {
  switch (mask.scalar_type()) {
    case ScalarType::Bool: return MaskType::kBool;
    case ScalarType::Float: return MaskType::kFloat32;
    case ScalarType::BFloat16: return MaskType::kBFloat16;
    default: fail("mask must be bool, fp32 or bf16, got ", dtype_of(mask));
  }
}

// The mask over [batch, heads, queries, keys]. The stride of a dimension in which it is broadcast is 0, which tells the
// kernels.
Rows4d<const char> mask_rows(const Tensor& mask, const int64_t (&wanted)[4]) {
  const int64_t missing = 4 - mask.dim(), bytes = static_cast<int64_t>(mask.element_size());
  int64_t strides[4] = {0, 0, 0, 0};
  for (int64_t i = missing; i < 4; ++i) {
    const int64_t size = mask.size(i - missing);
    NC_TRAINER_CHECK(size == wanted[i] || size == 1, "mask ", mask.sizes(), " cannot be broadcast to ",
                     Sizes(wanted, 4));
    strides[i] = size == 1 ? 0 : mask.stride(i - missing) * bytes;
  }
  return {static_cast<const char*>(mask.const_data_ptr()), strides[0], strides[1], strides[2]};
}

// The mask with as many keys, all the same.
Tensor expanded(const Tensor& mask, int64_t keys) {
  std::vector<int64_t> shape(mask.sizes().begin(), mask.sizes().end());
  if (shape.empty()) shape.push_back(1);
  NC_TRAINER_CHECK(shape.back() == 1, "mask ", mask.sizes(), " cannot be broadcast to ", keys, " keys");
  shape.back() = keys;
  Tensor out = empty(shape, dtype_number(mask));
  torch::stable::copy_(out, mask);
  return out;
}

// The mask with its keys in one piece: copied if they lie apart, or if one value stands for all of them.
Tensor mask_with_keys(const Tensor& mask, int64_t keys) {
  NC_TRAINER_CHECK(mask.is_cpu() && mask.dim() <= 4, "mask must be a CPU tensor of up to 4 dimensions");
  const bool one_for_all = mask.dim() == 0 || mask.size(-1) != keys;
  return with_dense_rows(one_for_all ? expanded(mask, keys) : mask);
}

template <class T>
Tensor computed(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask,
                double scale, bool is_causal, const KernelsOf<T>& kernels) {
  const Tensor q = with_dense_rows(query), k = with_dense_rows(key), v = with_dense_rows(value);
  const int64_t batch = q.size(0), heads = q.size(1), queries = q.size(2), depth = q.size(3), keys = k.size(2);
  const Tensor out = empty({batch, heads, queries, depth}, {queries * heads * depth, depth, heads * depth, 1},
                           dtype_number(query));
  AttentionOf<T> a{.query = rows_of<const T>(q),
                   .key = rows_of<const T>(k),
                   .value = rows_of<const T>(v),
                   .out = rows_of<T>(out),
                   .mask_type = is_causal ? MaskType::kCausal : MaskType::kNone,
                   .mask = {nullptr, 0, 0, 0},
                   .batch = batch,
                   .heads = heads,
                   .key_heads = k.size(1),
                   .queries = queries,
                   .keys = keys,
                   .depth = depth,
                   .scale = static_cast<float>(scale)};
  const std::optional<Tensor> m = mask ? std::optional(mask_with_keys(*mask, keys)) : std::nullopt;
  if (m) {
    a.mask_type = mask_type(*m);
    a.mask = mask_rows(*m, {batch, heads, queries, keys});
  }
  run(a, kernels);
  return out;
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const std::optional<Tensor>& mask, double scale, bool is_causal) {
  check_inputs(query, key, value, scale);
  NC_TRAINER_CHECK(!mask || !is_causal, "mask and is_causal exclude each other");
  if (query.scalar_type() == ScalarType::Float)
    return computed(query, key, value, mask, scale, is_causal, float_attention_kernels());
  const AttentionKernels* const kernels = attention_kernels();
  NC_TRAINER_CHECK(kernels != nullptr,
                   "this CPU has none of the instruction sets of the kernels of attention in bf16 (AVX512_BF16)");
  return computed(query, key, value, mask, scale, is_causal, *kernels);
}

// The name of the instruction set in bf16, empty if there is none.
std::string attention_isa() {
  const AttentionKernels* const kernels = attention_kernels();
  return kernels != nullptr ? kernels->name : "";
}

}  // namespace
}  // namespace nc_trainer

STABLE_TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def("attention(Tensor query, Tensor key, Tensor value, Tensor? mask, float scale, bool is_causal=False) -> Tensor");
  m.def("attention_isa() -> str");
}

STABLE_TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) { m.impl("attention", TORCH_BOX(&nc_trainer::attention)); }

STABLE_TORCH_LIBRARY_IMPL(nc_trainer_native, CompositeImplicitAutograd, m) {
  m.impl("attention_isa", TORCH_BOX(&nc_trainer::attention_isa));
}
