// The attention operator, as torch sees it: checks, allocation, and the call into the kernels.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>
#include <optional>
#include <string>

#include "attention.h"
#include "tensors.h"

namespace nc_trainer {
namespace {

void check_rows(const at::Tensor& t, const char* name) {
  TORCH_CHECK(t.device().is_cpu() && t.scalar_type() == at::kBFloat16 && t.dim() == 4, name,
              " must be a bf16 CPU tensor of shape [batch, heads, tokens, depth], got ", t.scalar_type(), " ",
              t.sizes());
}

void check(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, double scale) {
  check_rows(query, "query");
  check_rows(key, "key");
  check_rows(value, "value");
  TORCH_CHECK(key.sizes() == value.sizes(), "key and value differ in shape: ", key.sizes(), " and ", value.sizes());
  TORCH_CHECK(query.size(0) == key.size(0) && query.size(3) == key.size(3), "query ", query.sizes(), " and key ",
              key.sizes(), " differ in batch or depth");
  TORCH_CHECK(key.size(1) > 0 ? query.size(1) % key.size(1) == 0 : query.size(1) == 0, query.size(1),
              " heads of the query are no multiple of ", key.size(1), " heads of the key");
  TORCH_CHECK(scale > 0 && std::isfinite(scale), "scale must be positive, got ", scale);
}

template <class T>
Rows4d<T> rows_of(const at::Tensor& t) {
  return {static_cast<T*>(t.data_ptr()), t.stride(0), t.stride(1), t.stride(2)};
}

// A stride that is never followed must be 0 for the kernels to know that the dimension is broadcast.
int64_t mask_stride(const at::Tensor& mask, int64_t dimension) {
  return mask.size(dimension) == 1 ? 0 : mask.stride(dimension) * static_cast<int64_t>(mask.element_size());
}

MaskType mask_type(const at::Tensor& mask) {
  switch (mask.scalar_type()) {
    case at::kBool: return MaskType::kBool;
    case at::kFloat: return MaskType::kFloat32;
    case at::kBFloat16: return MaskType::kBFloat16;
    default: TORCH_CHECK(false, "mask must be bool, fp32 or bf16, got ", mask.scalar_type());
  }
}

at::Tensor expanded_mask(const at::Tensor& mask, const at::Tensor& query, const at::Tensor& key) {
  TORCH_CHECK(mask.device().is_cpu() && mask.dim() <= 4, "mask must be a CPU tensor of up to 4 dimensions");
  return with_dense_rows(mask.expand({query.size(0), query.size(1), query.size(2), key.size(2)}));
}

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     const std::optional<at::Tensor>& mask, double scale, bool is_causal) {
  check(query, key, value, scale);
  TORCH_CHECK(!mask || !is_causal, "mask and is_causal exclude each other");
  const AttentionKernels* const kernels = attention_kernels();
  TORCH_CHECK(kernels != nullptr, "this CPU has none of the instruction sets of the attention kernels (AVX512_BF16)");

  const at::Tensor q = with_dense_rows(query), k = with_dense_rows(key), v = with_dense_rows(value);
  const at::Tensor m = mask ? expanded_mask(*mask, q, k) : at::Tensor();
  const at::Tensor out = at::empty({q.size(0), q.size(2), q.size(1), q.size(3)}, q.options()).transpose(1, 2);
  Attention a{.query = rows_of<const uint16_t>(q),
              .key = rows_of<const uint16_t>(k),
              .value = rows_of<const uint16_t>(v),
              .out = rows_of<uint16_t>(out),
              .mask_type = is_causal ? MaskType::kCausal : MaskType::kNone,
              .mask = {nullptr, 0, 0, 0},
              .batch = q.size(0),
              .heads = q.size(1),
              .key_heads = k.size(1),
              .queries = q.size(2),
              .keys = k.size(2),
              .depth = q.size(3),
              .scale = static_cast<float>(scale)};
  if (mask) {
    a.mask_type = mask_type(m);
    a.mask = {static_cast<const char*>(m.const_data_ptr()), mask_stride(m, 0), mask_stride(m, 1), mask_stride(m, 2)};
  }
  run(a, *kernels);
  return out;
}

// The name of the instruction set, empty if there is none.
std::string attention_isa() {
  const AttentionKernels* const kernels = attention_kernels();
  return kernels != nullptr ? kernels->name : "";
}

}  // namespace
}  // namespace nc_trainer

TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def("attention(Tensor query, Tensor key, Tensor value, Tensor? mask, float scale, bool is_causal=False) -> Tensor");
  m.def("attention_isa() -> str", nc_trainer::attention_isa);
}

TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) { m.impl("attention", nc_trainer::attention); }
