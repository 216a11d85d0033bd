// The level of instructions that int8 products and attention run on: one for both.
#pragma once

namespace nc_trainer {

enum class Isa { kAvx2, kAvxVnni, kAvx512Vnni, kAmx };

// The level that $NC_TRAINER_ISA names, else the best that this CPU and the system allow. Throws std::runtime_error
// where there is no such level, or this CPU cannot run it.
Isa isa();

const char* name_of(Isa isa);

// AVX512_BF16, which some CPUs with AVX512-VNNI have.
bool has_avx512bf16();

}  // namespace nc_trainer
