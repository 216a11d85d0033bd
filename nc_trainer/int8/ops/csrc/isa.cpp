#include "isa.h"

#include <cpuid.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

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

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool has_avx512_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

bool has_amx() { return has_avx512_vnni() && amx::usable(); }

struct Level {
  Isa isa;
  const char* name;
  bool (*runs)();
};

constexpr Level kLevels[] = {{Isa::kAmx, "amx", has_amx},
                             {Isa::kAvx512Vnni, "avx512_vnni", has_avx512_vnni},
                             {Isa::kAvxVnni, "avx_vnni", has_avx_vnni},
                             {Isa::kAvx2, "avx2", has_avx2}};

Isa best_isa() {
  for (const Level& level : kLevels)
    if (level.runs()) return level.isa;
  throw std::runtime_error("this CPU has none of the instruction sets of the native engine (at least AVX2 and FMA)");
}

Isa chosen_isa() {
  const char* variable = std::getenv("NC_TRAINER_ISA");
  const std::string_view wanted = variable != nullptr ? variable : "";
  if (wanted.empty() || wanted == "auto") return best_isa();
  for (const Level& level : kLevels) {
    if (wanted != level.name) continue;
    if (level.runs()) return level.isa;
    throw std::runtime_error("this CPU cannot run " + std::string(wanted) + ", which NC_TRAINER_ISA names");
  }
  throw std::runtime_error("NC_TRAINER_ISA takes auto, amx, avx512_vnni, avx_vnni, avx2, not " + std::string(wanted));
}

}  // namespace

Isa isa() {
  static const Isa chosen = chosen_isa();
  return chosen;
}

const char* name_of(Isa isa) {
  for (const Level& level : kLevels)
    if (level.isa == isa) return level.name;
  return "";
}

bool has_avx512bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

}  // namespace nc_trainer
