// What the operators' checks and calls share. Tensors are those of torch's stable interface: a library that is compiled
// against it runs on the version that TORCH_TARGET_VERSION names and on later ones.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace nc_trainer {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

using Sizes = torch::headeronly::IntHeaderOnlyArrayRef;

inline std::ostream& operator<<(std::ostream& out, const Sizes& sizes) {
  out << '[';
  for (size_t i = 0; i < sizes.size(); ++i) out << (i ? ", " : "") << sizes[i];
  return out << ']';
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw std::runtime_error(message.str());
}

// Throws a RuntimeError of the parts, written one after the other, if the condition does not hold.
#define NC_TRAINER_CHECK(condition, ...) \
  do {                                   \
    if (!(condition)) fail(__VA_ARGS__); \
  } while (false)

inline std::string dtype_of(const Tensor& t) { return torch::headeronly::toString(t.scalar_type()); }

// An uninitialized CPU tensor; `dtype` is torch's number of it.
inline Tensor empty(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides, int32_t dtype) {
  AtenTensorHandle made;
  const auto dimensions = static_cast<int64_t>(sizes.size());
  const int32_t cpu = aoti_torch_device_type_cpu();
  NC_TRAINER_CHECK(aoti_torch_empty_strided(dimensions, sizes.data(), strides.data(), dtype, cpu, 0, &made) == 0,
                   "torch could not allocate a tensor of shape ", Sizes(sizes));
  return Tensor(made);
}

inline Tensor empty(const std::vector<int64_t>& sizes, int32_t dtype) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(sizes[i], 1);
  return empty(sizes, strides, dtype);
}

// torch's number of the dtype of a tensor.
inline int32_t dtype_number(const Tensor& t) {
  int32_t number = 0;
  NC_TRAINER_CHECK(aoti_torch_get_dtype(t.get(), &number) == 0, "a tensor without a dtype");
  return number;
}

inline Tensor made_contiguous(const Tensor& t) { return t.is_contiguous() ? t : torch::stable::contiguous(t); }

// The tensor with its last dimension in one piece each; its rows may lie apart.
inline Tensor with_dense_rows(const Tensor& t) {
  return t.size(-1) <= 1 || t.stride(-1) == 1 ? t : torch::stable::contiguous(t);
}

}  // namespace nc_trainer
