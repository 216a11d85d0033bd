// Which kernels run: the best that the CPU has, up to the level that NC_TRAINER_ISA names.
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "amx.h"
#include "attention.h"

namespace nc_trainer {
namespace {

enum class Level { kAvx2, kAvxVnni, kAvx512Vnni, kAmx };

Level admitted_level() {
  const char* variable = std::getenv("NC_TRAINER_ISA");
  const std::string_view name = variable != nullptr ? variable : "";
  if (name.empty() || name == "auto" || name == "amx") return Level::kAmx;
  if (name == "avx512_vnni") return Level::kAvx512Vnni;
  if (name == "avx_vnni") return Level::kAvxVnni;
  if (name == "avx2") return Level::kAvx2;
  throw std::runtime_error("NC_TRAINER_ISA takes auto, avx2, avx_vnni, avx512_vnni or amx, not " + std::string(name));
}

bool has_avx512bf16() {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const AttentionKernels* best_kernels_up_to(Level level) {
  if (level < Level::kAvx512Vnni || !has_avx512bf16()) return nullptr;
  return level >= Level::kAmx && amx::usable() ? &attention_amx_kernels() : &attention_avx512bf16_kernels();
}

}  // namespace

const AttentionKernels* attention_kernels() {
  static const AttentionKernels* const best = best_kernels_up_to(admitted_level());
  return best;
}

}  // namespace nc_trainer
