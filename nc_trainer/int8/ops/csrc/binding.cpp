// The operators, as torch sees them: checks, allocation, and the call into the kernels.
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "isa.h"
#include "matmul.h"
#include "tensors.h"

namespace nc_trainer {
namespace {

// Every product of two int8 is at most 2^14, so that this many of them fit an int32 accumulator.
constexpr int64_t kMaxDepth = (int64_t{1} << 17) - 1;

void check_vector(const at::Tensor& t, int64_t n, const char* name) {
  TORCH_CHECK(t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 1 && t.size(0) == n, name,
              " must be an fp32 CPU tensor of shape [", n, "], got ", t.scalar_type(), " ", t.sizes());
}

void check_depth(const at::Tensor& x) {
  TORCH_CHECK(x.size(1) <= kMaxDepth, "K is at most ", kMaxDepth, " for an int32 accumulator, got ", x.size(1));
}

void check_plain(const at::Tensor& x, const at::Tensor& weight) {
  TORCH_CHECK(weight.device().is_cpu() && weight.scalar_type() == at::kChar && weight.dim() == 2,
              "qweight must be an int8 CPU tensor of shape [N, K], or packed, got ", weight.scalar_type(), " ",
              weight.sizes());
  TORCH_CHECK(x.size(1) == weight.size(1), "x has ", x.size(1), " columns but qweight has ", weight.size(1));
}

// int32 [blocks, words, 16]: see kernels.h, and ops/packing.py, which makes them.
bool is_packed(const at::Tensor& weight) { return weight.scalar_type() == at::kInt && weight.dim() == 3; }

void check_packed(const at::Tensor& x, const at::Tensor& weight, int64_t n) {
  const bool fits = weight.size(0) == packed_blocks(n) && weight.size(1) == packed_words(x.size(1)) &&
                    weight.size(2) == kBlockOutputs;
  TORCH_CHECK(weight.device().is_cpu() && weight.is_contiguous() && fits, "a packed qweight of ", n, " outputs and ",
              x.size(1), " inputs has the shape [", packed_blocks(n), ", ", packed_words(x.size(1)), ", ",
              kBlockOutputs, "], got ", weight.sizes());
}

// The packed form of a plain weight, made for this call.
at::Tensor packed_for_now(const at::Tensor& weight) {
  const int64_t n = weight.size(0), k = weight.size(1);
  at::Tensor packed = at::empty({packed_blocks(n), packed_words(k), kBlockOutputs}, weight.options().dtype(at::kInt));
  pack(weight.contiguous().const_data_ptr<int8_t>(), n, k, packed.mutable_data_ptr<int32_t>());
  return packed;
}

// [..., K] as [M, K], a view where the strides allow it.
at::Tensor as_rows(const at::Tensor& x) {
  TORCH_CHECK(x.device().is_cpu() && x.dim() >= 1, "x must be a CPU tensor of shape [..., K], got ", x.sizes());
  return x.dim() == 2 ? x : x.reshape({c10::multiply_integers(x.sizes().begin(), x.sizes().end() - 1), x.size(-1)});
}

#define NC_TRAINER_NAME(name) #name,
constexpr const char* kActivations[] = {NC_TRAINER_ACTIVATIONS(NC_TRAINER_NAME)};
#undef NC_TRAINER_NAME

std::vector<std::string> activations() { return {std::begin(kActivations), std::end(kActivations)}; }

Activation activation_of(std::string_view name) {
  const auto* const found = std::find(std::begin(kActivations), std::end(kActivations), name);
  TORCH_CHECK(found != std::end(kActivations), "activation `", std::string(name), "` is not one of ", activations());
  return static_cast<Activation>(found - kActivations);
}

Element float_type_of(const at::Tensor& x) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16, "x must be fp32 or bf16, got ",
              x.scalar_type());
  return x.scalar_type() == at::kFloat ? Element::kFloat32 : Element::kBFloat16;
}

// The numbers of the rows to compute, or all of them. A number out of range would write outside of the output.
void check_rows(const at::Tensor& rows, int64_t m) {
  TORCH_CHECK(rows.device().is_cpu() && rows.scalar_type() == at::kLong && rows.dim() == 1 && rows.is_contiguous(),
              "rows must be a contiguous int64 CPU tensor of one dimension, got ", rows.scalar_type(), " ", rows.sizes());
  const auto* numbers = rows.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i)
    TORCH_CHECK(numbers[i] >= 0 && numbers[i] < m, "rows holds ", numbers[i], ", but x has ", m, " rows");
}

at::Tensor new_output(const at::Tensor& x, int64_t n, bool every_row) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = n;
  return every_row ? at::empty(shape, x.options()) : at::zeros(shape, x.options());
}

std::vector<at::Tensor> int8_linears(const at::Tensor& x, at::TensorList qweights, at::TensorList scales,
                                     const c10::List<std::optional<at::Tensor>>& biases, std::string_view activation,
                                     const std::optional<at::Tensor>& rows) {
  TORCH_CHECK(qweights.size() == scales.size() && qweights.size() == biases.size(),
              "qweights, scales and biases must have the same length");
  const at::Tensor dense = with_dense_rows(as_rows(x));
  const Element type = float_type_of(x);
  if (rows) check_rows(*rows, dense.size(0));
  check_depth(dense);
  std::vector<at::Tensor> kept, outputs;  // what `linears` points to
  std::vector<Linear> linears;
  for (size_t i = 0; i < qweights.size(); ++i) {
    const at::Tensor& weight = qweights[i];
    const int64_t n = is_packed(weight) ? scales[i].numel() : weight.size(0);
    is_packed(weight) ? check_packed(dense, weight, n) : check_plain(dense, weight);
    const std::optional<at::Tensor> given = biases.get(i);
    check_vector(scales[i], n, "scale");
    if (given) check_vector(*given, n, "bias");
    outputs.push_back(new_output(x, n, !rows));
    const at::Tensor packed = is_packed(weight) ? weight : packed_for_now(weight), scale = scales[i].contiguous();
    const at::Tensor bias = given ? given->contiguous() : at::Tensor();
    kept.insert(kept.end(), {packed, scale, bias});
    linears.push_back({.weight = static_cast<const uint8_t*>(packed.const_data_ptr()),
                       .words = packed.size(1),
                       .scale = scale.const_data_ptr<float>(),
                       .bias = given ? bias.const_data_ptr<float>() : nullptr,
                       .out = static_cast<char*>(outputs.back().mutable_data_ptr()),
                       .n = n,
                       .activation = activation_of(activation)});
  }
  const Rows source{static_cast<const char*>(dense.const_data_ptr()), dense.stride(0) * dense.element_size(),
                    rows ? rows->const_data_ptr<int64_t>() : nullptr};
  run({.x = source,
       .type = type,
       .m = rows ? rows->size(0) : dense.size(0),
       .k = dense.size(1),
       .linears = linears.data(),
       .count = static_cast<int64_t>(linears.size())},
      kernels());
  return outputs;
}

at::Tensor accumulate(const at::Tensor& codes, const at::Tensor& qweight) {
  TORCH_CHECK(codes.scalar_type() == at::kChar && codes.dim() == 2, "codes must be int8 of shape [M, K], got ",
              codes.scalar_type(), " ", codes.sizes());
  check_plain(codes, qweight);
  check_depth(codes);
  const at::Tensor dense = with_dense_rows(codes), weight = packed_for_now(qweight);
  at::Tensor out = at::empty({codes.size(0), qweight.size(0)}, codes.options().dtype(at::kInt));
  const Linear linear{.weight = static_cast<const uint8_t*>(weight.const_data_ptr()),
                      .words = weight.size(1),
                      .scale = nullptr,
                      .bias = nullptr,
                      .out = static_cast<char*>(out.mutable_data_ptr()),
                      .n = qweight.size(0),
                      .activation = Activation::none};
  run({.x = {static_cast<const char*>(dense.const_data_ptr()), dense.stride(0), nullptr},
       .type = Element::kInt8,
       .m = codes.size(0),
       .k = codes.size(1),
       .linears = &linear,
       .count = 1},
      kernels());
  return out;
}

std::string isa_name() { return name_of(isa()); }

}  // namespace
}  // namespace nc_trainer

TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def(
      "int8_linears(Tensor x, Tensor[] qweights, Tensor[] scales, Tensor?[] biases, str activation, Tensor? rows) -> "
      "Tensor[]");
  m.def("accumulate(Tensor codes, Tensor qweight) -> Tensor");
  m.def("isa() -> str", nc_trainer::isa_name);
  m.def("activations() -> str[]", nc_trainer::activations);
}

TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) {
  m.impl("int8_linears", nc_trainer::int8_linears);
  m.impl("accumulate", nc_trainer::accumulate);
}
