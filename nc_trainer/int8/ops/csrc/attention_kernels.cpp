// Which kernels run: those of the level in use.
#include "attention.h"
#include "isa.h"

namespace nc_trainer {

const AttentionKernels* attention_kernels() {
  if (isa() == Isa::kAmx) return &attention_amx_kernels();
  return isa() == Isa::kAvx512Vnni && has_avx512bf16() ? &attention_avx512bf16_kernels() : nullptr;
}

}  // namespace nc_trainer
