// The scale of one row, from the bits of its largest magnitude; the same on every instruction set.
#pragma once

#include <cstdint>
#include <cstring>

namespace nc_trainer {
namespace {

constexpr float kTiny = 1e-30f;

struct RowScale {
  float scale, inverse;
};

// A row that is zero gets scale 0; one that holds NaN or infinity gets scale NaN, whatever its codes are.
RowScale scale_of(int32_t absmax_bits) {
  float absmax;
  std::memcpy(&absmax, &absmax_bits, sizeof absmax);
  if (absmax_bits >= 0x7f800000) return {__builtin_nanf(""), 0.0f};
  if (absmax < kTiny) return {0.0f, 0.0f};
  return {absmax / 127.0f, 127.0f / absmax};
}

// What takes the + 128 of the weights out again. It wraps around, as the accumulators may.
int32_t offset_of(int32_t sum_of_codes) { return static_cast<int32_t>(-128u * static_cast<uint32_t>(sum_of_codes)); }

}  // namespace
}  // namespace nc_trainer
