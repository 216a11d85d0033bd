// The operators, as torch sees them: checks, allocation, and the call into the kernels.
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <optional>
#include <string>
#include <vector>

#include "matmul.h"

namespace nc_trainer {
namespace {

// Every product of two int8 is at most 2^14, so that this many of them fit an int32 accumulator.
constexpr int64_t kMaxDepth = (int64_t{1} << 17) - 1;

const Kernels& kernels() {
  static const char* reason = nullptr;
  static const Kernels* const best = best_kernels(&reason);
  TORCH_CHECK(best != nullptr, reason);
  return *best;
}

void check_vector(const at::Tensor& t, int64_t n, const char* name) {
  TORCH_CHECK(t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 1 && t.size(0) == n, name,
              " must be an fp32 CPU tensor of shape [", n, "], got ", t.scalar_type(), " ", t.sizes());
}

void check_matrices(const at::Tensor& x, const at::Tensor& weight) {
  TORCH_CHECK(weight.device().is_cpu() && weight.scalar_type() == at::kChar && weight.dim() == 2,
              "qweight must be an int8 CPU tensor of shape [N, K], got ", weight.scalar_type(), " ", weight.sizes());
  TORCH_CHECK(x.size(1) == weight.size(1), "x has ", x.size(1), " columns but qweight has ", weight.size(1));
  TORCH_CHECK(x.size(1) <= kMaxDepth, "K is at most ", kMaxDepth, " for an int32 accumulator, got ", x.size(1));
}

// [..., K] as [M, K], a view where the strides allow it.
at::Tensor as_rows(const at::Tensor& x) {
  TORCH_CHECK(x.device().is_cpu() && x.dim() >= 1, "x must be a CPU tensor of shape [..., K], got ", x.sizes());
  return x.dim() == 2 ? x : x.reshape({c10::multiply_integers(x.sizes().begin(), x.sizes().end() - 1), x.size(-1)});
}

// x with its rows in one piece each; they may lie apart.
at::Tensor with_dense_rows(const at::Tensor& x) {
  return x.size(1) <= 1 || x.stride(1) == 1 ? x : x.contiguous();
}

Activation activation_of(std::string_view name) {
  static constexpr const char* names[] = {"none", "gelu", "gelu_tanh", "relu", "silu", "tanh"};
  for (int i = 0; i < 6; ++i)
    if (name == names[i]) return static_cast<Activation>(i);
  TORCH_CHECK(false, "activation `", std::string(name), "` is not one of none, gelu, gelu_tanh, relu, silu, tanh");
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
  std::vector<at::Tensor> kept, outputs;  // what `linears` points to
  std::vector<Linear> linears;
  for (size_t i = 0; i < qweights.size(); ++i) {
    check_matrices(dense, qweights[i]);
    const int64_t n = qweights[i].size(0);
    const std::optional<at::Tensor> given = biases.get(i);
    check_vector(scales[i], n, "scale");
    if (given) check_vector(*given, n, "bias");
    outputs.push_back(new_output(x, n, !rows));
    const at::Tensor weight = qweights[i].contiguous(), scale = scales[i].contiguous();
    const at::Tensor bias = given ? given->contiguous() : at::Tensor();
    kept.insert(kept.end(), {weight, scale, bias});
    linears.push_back({weight.const_data_ptr<int8_t>(), scale.const_data_ptr<float>(),
                       given ? bias.const_data_ptr<float>() : nullptr,
                       static_cast<char*>(outputs.back().mutable_data_ptr()), n, activation_of(activation)});
  }
  const Rows source{static_cast<const char*>(dense.const_data_ptr()), dense.stride(0) * dense.element_size(),
                    rows ? rows->const_data_ptr<int64_t>() : nullptr};
  run({source, type, rows ? rows->size(0) : dense.size(0), dense.size(1), linears.data(),
       static_cast<int64_t>(linears.size())},
      kernels());
  return outputs;
}

at::Tensor accumulate(const at::Tensor& codes, const at::Tensor& qweight) {
  TORCH_CHECK(codes.scalar_type() == at::kChar && codes.dim() == 2, "codes must be int8 of shape [M, K], got ",
              codes.scalar_type(), " ", codes.sizes());
  check_matrices(codes, qweight);
  const at::Tensor dense = with_dense_rows(codes), weight = qweight.contiguous();
  at::Tensor out = at::empty({codes.size(0), qweight.size(0)}, codes.options().dtype(at::kInt));
  const Linear linear{weight.const_data_ptr<int8_t>(), nullptr, nullptr,
                      static_cast<char*>(out.mutable_data_ptr()), qweight.size(0), Activation::kNone};
  run({{static_cast<const char*>(dense.const_data_ptr()), dense.stride(0), nullptr},
       Element::kInt8, codes.size(0), codes.size(1), &linear, 1},
      kernels());
  return out;
}

std::string isa() { return kernels().name; }

}  // namespace
}  // namespace nc_trainer

TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def(
      "int8_linears(Tensor x, Tensor[] qweights, Tensor[] scales, Tensor?[] biases, str activation, Tensor? rows) -> "
      "Tensor[]");
  m.def("accumulate(Tensor codes, Tensor qweight) -> Tensor");
  m.def("isa() -> str", &nc_trainer::isa);
}

TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) {
  m.impl("int8_linears", nc_trainer::int8_linears);
  m.impl("accumulate", nc_trainer::accumulate);
}
