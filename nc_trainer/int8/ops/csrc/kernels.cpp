#include "kernels.h"

#include "isa.h"

namespace nc_trainer {

const Kernels& kernels() {
  switch (isa()) {
    case Isa::kAmx: return amx_kernels();
    case Isa::kAvx512Vnni: return avx512_vnni_kernels();
    case Isa::kAvxVnni: return avx_vnni_kernels();
    case Isa::kAvx2: break;
  }
  return avx2_kernels();
}

}  // namespace nc_trainer
