#include "kernels.h"

namespace nc_trainer {

const Kernels* best_kernels() {
  if (__builtin_cpu_supports("avx2")) return &avx2_kernels();
  return nullptr;
}

}  // namespace nc_trainer
