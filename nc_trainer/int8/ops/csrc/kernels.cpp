#include "kernels.h"

#include <cpuid.h>

#include <cstdlib>
#include <cstring>

#include "amx.h"

namespace nc_trainer {
namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx_vnni() {
#ifdef NC_EMULATE_AVX_VNNI
  return has_avx2();
#else
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
#endif
}

bool has_avx512_vnni() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_amx() { return has_avx512_vnni() && amx::usable(); }

struct Level {
  bool (*runs)();
  const Kernels& (*kernels)();
};

constexpr Level kLevels[] = {{has_amx, amx_kernels},
                             {has_avx512_vnni, avx512_vnni_kernels},
                             {has_avx_vnni, avx_vnni_kernels},
                             {has_avx2, avx2_kernels}};

}  // namespace

const Kernels* best_kernels(const char** reason) {
  const char* forced = std::getenv("NC_TRAINER_ISA");
  const bool any = forced == nullptr || *forced == '\0' || std::strcmp(forced, "auto") == 0;
  *reason = any ? "this CPU has none of the instruction sets of the native int8 engine (at least AVX2 and FMA)"
                : "NC_TRAINER_ISA is not one of auto, amx, avx512_vnni, avx_vnni, avx2";
  for (const Level& level : kLevels) {
    const bool named = !any && std::strcmp(forced, level.kernels().name) == 0;
    if ((any || named) && level.runs()) return &level.kernels();
    if (named) *reason = "this CPU cannot run the instruction set that NC_TRAINER_ISA names";
  }
  return nullptr;
}

}  // namespace nc_trainer
