// The operators, as torch sees them: checks, allocation, and the call into the kernels.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <optional>

#include "matmul.h"

namespace nc_trainer {
namespace {

// Every product of two int8 is at most 2^14, so that this many of them fit an int32 accumulator.
constexpr int64_t kMaxDepth = (int64_t{1} << 17) - 1;

const Kernels& kernels() {
  static const Kernels* const best = best_kernels();
  TORCH_CHECK(best != nullptr, "this CPU has none of the instruction sets of the native int8 engine (AVX2)");
  return *best;
}

void check_vector(const at::Tensor& t, int64_t n, const char* name) {
  TORCH_CHECK(t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 1 && t.size(0) == n, name,
              " must be an fp32 CPU tensor of shape [", n, "], got ", t.scalar_type(), " ", t.sizes());
}

void check_matrices(const at::Tensor& x, const at::Tensor& weight) {
  TORCH_CHECK(x.device().is_cpu() && x.dim() == 2, "x must be a CPU tensor of shape [M, K], got ", x.sizes());
  TORCH_CHECK(weight.device().is_cpu() && weight.scalar_type() == at::kChar && weight.dim() == 2,
              "qweight must be an int8 CPU tensor of shape [N, K], got ", weight.scalar_type(), " ", weight.sizes());
  TORCH_CHECK(x.size(1) == weight.size(1), "x has ", x.size(1), " columns but qweight has ", weight.size(1));
  TORCH_CHECK(x.size(1) <= kMaxDepth, "K is at most ", kMaxDepth, " for an int32 accumulator, got ", x.size(1));
}

// x with its rows in one piece each; they may lie apart.
at::Tensor with_dense_rows(const at::Tensor& x) {
  return x.size(1) <= 1 || x.stride(1) == 1 ? x : x.contiguous();
}

at::Tensor int8_linear(const at::Tensor& x, const at::Tensor& qweight, const at::Tensor& scale,
                       const std::optional<at::Tensor>& bias) {
  check_matrices(x, qweight);
  check_vector(scale, qweight.size(0), "scale");
  if (bias) check_vector(*bias, qweight.size(0), "bias");
  const bool is_float = x.scalar_type() == at::kFloat;
  TORCH_CHECK(is_float || x.scalar_type() == at::kBFloat16, "x must be fp32 or bf16, got ", x.scalar_type());

  const at::Tensor rows = with_dense_rows(x), weight = qweight.contiguous(), scales = scale.contiguous();
  const at::Tensor biases = bias ? bias->contiguous() : at::Tensor();
  at::Tensor out = at::empty({x.size(0), qweight.size(0)}, x.options());
  run({rows.const_data_ptr(), is_float ? Element::kFloat32 : Element::kBFloat16, rows.stride(0),
       weight.const_data_ptr<int8_t>(), scales.const_data_ptr<float>(),
       bias ? biases.const_data_ptr<float>() : nullptr, out.mutable_data_ptr(), x.size(0), qweight.size(0),
       x.size(1)},
      kernels());
  return out;
}

at::Tensor accumulate(const at::Tensor& codes, const at::Tensor& qweight) {
  check_matrices(codes, qweight);
  TORCH_CHECK(codes.scalar_type() == at::kChar, "codes must be int8, got ", codes.scalar_type());
  const at::Tensor rows = with_dense_rows(codes), weight = qweight.contiguous();
  at::Tensor out = at::empty({codes.size(0), qweight.size(0)}, codes.options().dtype(at::kInt));
  run({rows.const_data_ptr(), Element::kInt8, rows.stride(0), weight.const_data_ptr<int8_t>(), nullptr, nullptr,
       out.mutable_data_ptr(), codes.size(0), qweight.size(0), codes.size(1)},
      kernels());
  return out;
}

}  // namespace
}  // namespace nc_trainer

TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def("int8_linear(Tensor x, Tensor qweight, Tensor scale, Tensor? bias) -> Tensor");
  m.def("accumulate(Tensor codes, Tensor qweight) -> Tensor");
}

TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) {
  m.impl("int8_linear", nc_trainer::int8_linear);
  m.impl("accumulate", nc_trainer::accumulate);
}
