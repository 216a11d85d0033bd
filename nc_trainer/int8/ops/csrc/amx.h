// The tile instructions of AMX: palette 1, eight tiles of up to 16 rows of up to 64 bytes.
//
// Written in assembly rather than with the compiler's intrinsics, whose loads do not tell the compiler that they read
// memory. No compiler flag is needed, and every function is inlined, so that any kernel file may include this.
// With -DNC_EMULATE_AMX the same functions run in software (amx.cpp), on any CPU: that is how tests run AMX kernels.
#pragma once

#include <cstdint>

namespace nc_trainer::amx {

constexpr int64_t kTiles = 8;
constexpr int64_t kTileRows = 16;
constexpr int64_t kRowBytes = 64;

// The operand of LDTILECFG. A tile of zero rows is not configured, and no instruction may name it.
struct alignas(64) Config {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int64_t tile_rows, int64_t tile_row_bytes) {
    rows[tile] = static_cast<uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<uint16_t>(tile_row_bytes);
  }
};
static_assert(sizeof(Config) == 64);

// Whether this CPU has AMX tiles with int8 and bf16 products, and the system lets this process use them. The first
// call asks for the permission, which threads that exist already share. True in an emulated build.
bool usable();

#ifdef NC_EMULATE_AMX

// What the instructions do, for the tiles of the calling thread. Where an instruction would fault, this aborts.
namespace emulated {
enum class Product { kSignedSigned, kSignedUnsigned, kUnsignedSigned, kBFloat16 };
void configure(const Config* config);  // null: release
void zero(int tile);
void load(int tile, const void* base, int64_t stride);
void store(int tile, void* base, int64_t stride);
void multiply(Product product, int c, int a, int b);
}  // namespace emulated

#define NC_AMX_INLINE inline
#else
#define NC_AMX_INLINE [[gnu::always_inline]] inline
#endif

// Load the configuration of the calling thread; all its tiles become zero.
NC_AMX_INLINE void configure(const Config& config) {
#ifdef NC_EMULATE_AMX
  emulated::configure(&config);
#else
  asm volatile("ldtilecfg %0" : : "m"(config));
#endif
}

// Give the tiles back; a thread that keeps them costs more at each context switch.
NC_AMX_INLINE void release() {
#ifdef NC_EMULATE_AMX
  emulated::configure(nullptr);
#else
  asm volatile("tilerelease");
#endif
}

// All eight tiles with all their rows and bytes.
NC_AMX_INLINE void configure_whole_tiles() {
  Config config;
  for (int tile = 0; tile < kTiles; ++tile) {
    config.rows[tile] = kTileRows;
    config.row_bytes[tile] = kRowBytes;
  }
  configure(config);
}

template <int Tile>
NC_AMX_INLINE void zero() {
#ifdef NC_EMULATE_AMX
  emulated::zero(Tile);
#else
  asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
#endif
}

// `stride` is in bytes, from row to row.
template <int Tile>
NC_AMX_INLINE void load(const void* base, int64_t stride) {
#ifdef NC_EMULATE_AMX
  emulated::load(Tile, base, stride);
#else
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(base), "r"(stride), "i"(Tile) : "memory");
#endif
}

template <int Tile>
NC_AMX_INLINE void store(void* base, int64_t stride) {
#ifdef NC_EMULATE_AMX
  emulated::store(Tile, base, stride);
#else
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(base), "r"(stride), "i"(Tile) : "memory");
#endif
}

// Products: C[m][n] += sum over k and i of A[m][k][i] * B[k][n][i], where C holds 32-bit elements and A and B hold, in
// each 32 bits, four int8 (i < 4) or two bf16 (i < 2). The names follow the instructions: `s` and `u` say how the
// bytes of A and then of B are read. int32 sums wrap around.
#ifdef NC_EMULATE_AMX
#define NC_AMX_PRODUCT(name, kind)                                    \
  template <int C, int A, int B>                                      \
  inline void name() {                                                \
    static_assert(C != A && C != B && A != B, "tiles must differ");   \
    emulated::multiply(emulated::Product::kind, C, A, B);             \
  }
#else
#define NC_AMX_PRODUCT(name, kind)                                                         \
  template <int C, int A, int B>                                                           \
  [[gnu::always_inline]] inline void name() {                                              \
    static_assert(C != A && C != B && A != B, "tiles must differ");                        \
    asm volatile("t" #name " %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));    \
  }
#endif

NC_AMX_PRODUCT(dpbssd, kSignedSigned)
NC_AMX_PRODUCT(dpbsud, kSignedUnsigned)
NC_AMX_PRODUCT(dpbusd, kUnsignedSigned)
NC_AMX_PRODUCT(dpbf16ps, kBFloat16)

#undef NC_AMX_PRODUCT
#undef NC_AMX_INLINE

}  // namespace nc_trainer::amx
