// The operators, as torch sees them: checks, allocation, and the call into the kernels.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "input_rows.h"
#include "isa.h"
#include "matmul.h"
#include "parallel.h"
#include "tensors.h"

namespace nc_trainer {
namespace {

// Every product of two int8 is at most 2^14, so that this many of them fit an int32 accumulator.
constexpr int64_t kMaxDepth = (int64_t{1} << 17) - 1;

void check_vector(const Tensor& t, int64_t n, const char* name) {
  NC_TRAINER_CHECK(t.is_cpu() && t.scalar_type() == ScalarType::Float && t.dim() == 1 && t.size(0) == n, name,
                   " must be an fp32 CPU tensor of shape [", n, "], got ", dtype_of(t), " ", t.sizes());
}

void check_depth(int64_t k) {
  NC_TRAINER_CHECK(k <= kMaxDepth, "K is at most ", kMaxDepth, " for an int32 accumulator, got ", k);
}

void check_plain(int64_t k, const Tensor& weight) {
  NC_TRAINER_CHECK(weight.is_cpu() && weight.scalar_type() == ScalarType::Char && weight.dim() == 2,
                   "qweight must be an int8 CPU tensor of shape [N, K], or packed, got ", dtype_of(weight), " ",
                   weight.sizes());
  NC_TRAINER_CHECK(k == weight.size(1), "x has ", k, " columns but qweight has ", weight.size(1));
}

// int32 [blocks, words, 16]: see kernels.h, and ops/packing.py, which makes them.
bool is_packed(const Tensor& weight) { return weight.scalar_type() == ScalarType::Int && weight.dim() == 3; }

void check_packed(int64_t k, const Tensor& weight, int64_t n) {
  const bool fits = weight.size(0) == packed_blocks(n) && weight.size(1) == packed_words(k) &&
                    weight.size(2) == kBlockOutputs;
  NC_TRAINER_CHECK(weight.is_cpu() && weight.is_contiguous() && fits, "a packed qweight of ", n, " outputs and ", k,
                   " inputs has the shape [", packed_blocks(n), ", ", packed_words(k), ", ", kBlockOutputs, "], got ",
                   weight.sizes());
}

// The packed form of a plain weight, made for this call.
Tensor packed_for_now(const Tensor& weight) {
  const int64_t n = weight.size(0), k = weight.size(1);
  Tensor packed = empty({packed_blocks(n), packed_words(k), kBlockOutputs}, aoti_torch_dtype_int32());
  pack(made_contiguous(weight).const_data_ptr<int8_t>(), n, k, packed.mutable_data_ptr<int32_t>());
  return packed;
}

#define NC_TRAINER_NAME(name) #name,
constexpr const char* kActivations[] = {NC_TRAINER_ACTIVATIONS(NC_TRAINER_NAME)};
#undef NC_TRAINER_NAME

std::vector<std::string> activations() { return {std::begin(kActivations), std::end(kActivations)}; }

Activation activation_of(std::string_view name) {
  const auto* const found = std::find(std::begin(kActivations), std::end(kActivations), name);
  NC_TRAINER_CHECK(found != std::end(kActivations), "activation `", name,
                   "` is not one of those that activations() lists");
  return static_cast<Activation>(found - kActivations);
}

Element float_type_of(const Tensor& x) {
  const ScalarType type = x.scalar_type();
  NC_TRAINER_CHECK(type == ScalarType::Float || type == ScalarType::BFloat16, "x must be fp32 or bf16, got ",
                   dtype_of(x));
  return type == ScalarType::Float ? Element::kFloat32 : Element::kBFloat16;
}

// The numbers of the rows to compute, or all of them. A number out of range would write outside of the output.
void check_rows(const Tensor& rows, int64_t m) {
  NC_TRAINER_CHECK(rows.is_cpu() && rows.scalar_type() == ScalarType::Long && rows.dim() == 1 && rows.is_contiguous(),
                   "rows must be a contiguous int64 CPU tensor of one dimension, got ", dtype_of(rows), " ",
                   rows.sizes());
  const auto* numbers = rows.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i)
    NC_TRAINER_CHECK(numbers[i] >= 0 && numbers[i] < m, "rows holds ", numbers[i], ", but x has ", m, " rows");
}

// [..., N] for x [..., K], in the dtype of x; zeros if not every row will be written.
Tensor new_output(const Tensor& x, int64_t n, bool every_row) {
  std::vector<int64_t> shape(x.sizes().begin(), x.sizes().end());
  shape.back() = n;
  Tensor out = empty(shape, dtype_number(x));
  if (!every_row && out.numel() > 0) std::memset(out.mutable_data_ptr(), 0, out.numel() * out.element_size());
  return out;
}

// One weight with its scale and bias, as `run` reads them; the tensors are kept for as long.
struct Layer {
  Tensor weight, scale, out;
  std::optional<Tensor> bias;
  int64_t n;

  Linear linear(Activation activation) const {
    return {.weight = static_cast<const uint8_t*>(weight.const_data_ptr()),
            .words = weight.size(1),
            .scale = scale.const_data_ptr<float>(),
            .bias = bias ? bias->const_data_ptr<float>() : nullptr,
            .out = static_cast<char*>(out.mutable_data_ptr()),
            .n = n,
            .activation = activation};
  }
};

Layer layer_of(const Tensor& x, bool every_row, const Tensor& weight, const Tensor& scale,
               const std::optional<Tensor>& bias) {
  const int64_t k = x.size(-1);
  const bool packed = is_packed(weight);
  const int64_t n = packed ? scale.numel() : weight.size(0);
  packed ? check_packed(k, weight, n) : check_plain(k, weight);
  check_vector(scale, n, "scale");
  if (bias) check_vector(*bias, n, "bias");
  return {.weight = packed ? weight : packed_for_now(weight),
          .scale = made_contiguous(scale),
          .out = new_output(x, n, every_row),
          .bias = bias ? std::optional(made_contiguous(*bias)) : std::nullopt,
          .n = n};
}

std::vector<Tensor> int8_linears(const Tensor& x, const std::vector<Tensor>& qweights,
                                 const std::vector<Tensor>& scales, const std::vector<std::optional<Tensor>>& biases,
                                 Activation activation, const std::optional<Tensor>& rows) {
  NC_TRAINER_CHECK(qweights.size() == scales.size() && qweights.size() == biases.size(),
                   "qweights, scales and biases must have the same length");
  const InputRows input = as_rows(x);
  const Element type = float_type_of(x);
  if (rows) check_rows(*rows, input.m);
  check_depth(input.k);
  std::vector<Layer> layers;
  std::vector<Linear> linears;
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < qweights.size(); ++i) {
    layers.push_back(layer_of(x, !rows, qweights[i], scales[i], biases[i]));
    linears.push_back(layers.back().linear(activation));
    outputs.push_back(layers.back().out);
  }
  run({.x = input.rows(rows ? rows->const_data_ptr<int64_t>() : nullptr),
       .type = type,
       .m = rows ? rows->size(0) : input.m,
       .k = input.k,
       .linears = linears.data(),
       .count = static_cast<int64_t>(linears.size())},
      kernels());
  return outputs;
}

Tensor accumulate(const Tensor& codes, const Tensor& qweight) {
  NC_TRAINER_CHECK(codes.scalar_type() == ScalarType::Char && codes.dim() == 2,
                   "codes must be int8 of shape [M, K], got ", dtype_of(codes), " ", codes.sizes());
  const InputRows input = as_rows(codes);
  check_plain(input.k, qweight);
  check_depth(input.k);
  const Tensor weight = packed_for_now(qweight), out = empty({input.m, qweight.size(0)}, aoti_torch_dtype_int32());
  const Linear linear{.weight = static_cast<const uint8_t*>(weight.const_data_ptr()),
                      .words = weight.size(1),
                      .scale = nullptr,
                      .bias = nullptr,
                      .out = static_cast<char*>(out.mutable_data_ptr()),
                      .n = qweight.size(0),
                      .activation = Activation::none};
  run({.x = input.rows(nullptr), .type = Element::kInt8, .m = input.m, .k = input.k, .linears = &linear, .count = 1},
      kernels());
  return out;
}

constexpr int64_t kTaskElements = 1 << 14;  // elements worth waking another thread for

Tensor activate(const Tensor& given, Activation activation) {
  NC_TRAINER_CHECK(given.is_cpu() && given.scalar_type() == ScalarType::Float, "x must be an fp32 CPU tensor, got ",
                   dtype_of(given), " ", given.sizes());
  const Tensor x = made_contiguous(given);
  Tensor out = empty({x.sizes().begin(), x.sizes().end()}, dtype_number(x));
  const float* const from = x.const_data_ptr<float>();
  float* const to = out.mutable_data_ptr<float>();
  parallel_for(0, x.numel(), kTaskElements, [&](int64_t begin, int64_t end) {
    kernels().activate(activation, from + begin, end - begin, to + begin);
  });
  return out;
}

std::string isa_name() { return name_of(isa()); }

// The argument of a schema's `str`, which torch's own conversion to std::string would leak.
Activation take_activation(StableIValue value) {
  const auto handle = torch::stable::detail::to<StringHandle>(value);
  const std::unique_ptr<StringOpaque, void (*)(StringHandle)> owned(handle, [](StringHandle h) {
    torch_delete_string(h);
  });
  size_t length = 0;
  const char* data = nullptr;
  NC_TRAINER_CHECK(torch_string_length(handle, &length) == AOTI_TORCH_SUCCESS &&
            torch_string_c_str(handle, &data) == AOTI_TORCH_SUCCESS, "the name of the activation cannot be read");
  return activation_of({data, length});
}

void boxed_int8_linears(StableIValue* stack, uint64_t, uint64_t) {
  using torch::stable::detail::to;
  const auto x = to<Tensor>(stack[0]);
  const auto qweights = to<std::vector<Tensor>>(stack[1]), scales = to<std::vector<Tensor>>(stack[2]);
  const auto biases = to<std::vector<std::optional<Tensor>>>(stack[3]);
  const auto rows = to<std::optional<Tensor>>(stack[5]);
  const Activation activation = take_activation(stack[4]);
  stack[0] = torch::stable::detail::from(int8_linears(x, qweights, scales, biases, activation, rows));
}

void boxed_activate(StableIValue* stack, uint64_t, uint64_t) {
  const auto x = torch::stable::detail::to<Tensor>(stack[0]);
  stack[0] = torch::stable::detail::from(activate(x, take_activation(stack[1])));
}

}  // namespace
}  // namespace nc_trainer

STABLE_TORCH_LIBRARY_FRAGMENT(nc_trainer_native, m) {
  m.def(
      "int8_linears(Tensor x, Tensor[] qweights, Tensor[] scales, Tensor?[] biases, str activation, Tensor? "
      "rows=None) -> Tensor[]");
  m.def("activate(Tensor x, str activation) -> Tensor");
  m.def("accumulate(Tensor codes, Tensor qweight) -> Tensor");
  m.def("isa() -> str");
  m.def("activations() -> str[]");
}

STABLE_TORCH_LIBRARY_IMPL(nc_trainer_native, CPU, m) {
  m.impl("int8_linears", nc_trainer::boxed_int8_linears);
  m.impl("activate", nc_trainer::boxed_activate);
  m.impl("accumulate", TORCH_BOX(&nc_trainer::accumulate));
}

STABLE_TORCH_LIBRARY_IMPL(nc_trainer_native, CompositeImplicitAutograd, m) {
  m.impl("isa", TORCH_BOX(&nc_trainer::isa_name));
  m.impl("activations", TORCH_BOX(&nc_trainer::activations));
}
