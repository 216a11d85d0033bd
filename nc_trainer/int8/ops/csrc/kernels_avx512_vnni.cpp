// AVX-512 with VNNI: vpdpbusd multiplies a vector of weights with four codes of a row, broadcast. Its sums of four
// products are added in 32 bits and do not saturate.
#include "finish_avx512.h"
#include "int8_avx512.h"
#include "isa.h"

namespace nc_trainer {
namespace {

template <class Rounding>
constexpr Kernels kTable = {.tile_rows = kTileRows,
                            .tile_blocks = kTileBlocks,
                            .row_bytes = row_bytes,
                            .encode = encode,
                            .multiply = multiply_by_vnni,
                            .finish = finish<Rounding>,
                            .activate = activate,
                            .begin = nullptr,
                            .end = nullptr};

}  // namespace

const Kernels& avx512_vnni_kernels() {
  return has_avx512bf16() ? kTable<HardwareRounding> : kTable<IntegerRounding>;
}

}  // namespace nc_trainer
