// Which kernels run: those of the level in use.
#include "attention.h"
#include "isa.h"

namespace nc_trainer {

const AttentionKernels* attention_kernels() {
  if (isa() == Isa::kAmx) return &attention_amx_kernels();
  return isa() == Isa::kAvx512Vnni && has_avx512bf16() ? &attention_avx512bf16_kernels() : nullptr;
}

const KernelsOf<float>& float_attention_kernels() {
  const bool wide = isa() == Isa::kAmx || isa() == Isa::kAvx512Vnni;
  return wide ? float_attention_avx512_kernels() : float_attention_avx2_kernels();
}

}  // namespace nc_trainer
