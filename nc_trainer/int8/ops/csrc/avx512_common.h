// What the AVX-512 files share. Everything here has internal linkage, so that each file that includes it has a copy
// compiled with its own flags.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "arithmetic.h"

namespace nc_trainer {
namespace {

constexpr int64_t kLanes = 16;  // 32-bit elements of a vector

// Masks of the first n elements; none for n <= 0.
__mmask16 first_lanes16(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1); }
__mmask32 first_lanes32(int64_t n) { return n >= 32 ? ~__mmask32{0} : n <= 0 ? 0 : (__mmask32{1} << n) - 1; }
__mmask64 first_lanes64(int64_t n) { return n >= 64 ? ~__mmask64{0} : n <= 0 ? 0 : (__mmask64{1} << n) - 1; }

// bf16 in the low halves of 16 lanes, as fp32.
__m512 widen_bfloat16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

}  // namespace
}  // namespace nc_trainer
