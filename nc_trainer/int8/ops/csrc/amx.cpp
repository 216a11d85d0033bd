// Permission to use the tiles, and their emulation, which follows Intel's manual (SDM volume 2, the pages of the
// instructions; volume 1, chapter 18 for the operating system's part).
#include "amx.h"

#ifdef NC_EMULATE_AMX

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace nc_trainer::amx {

bool usable() { return true; }

namespace emulated {
namespace {

struct State {
  bool active = false;
  Config config;
  alignas(64) uint8_t bytes[kTiles][kTileRows][kRowBytes];
};
thread_local State state;

void require(bool condition, const char* message) {
  if (condition) return;
  std::fprintf(stderr, "AMX emulation: %s\n", message);
  std::abort();
}

int64_t rows_of(int tile) { return state.config.rows[tile]; }
int64_t row_bytes_of(int tile) { return state.config.row_bytes[tile]; }

void require_tile(int tile) {
  require(state.active, "no configuration is loaded");
  require(tile >= 0 && tile < kTiles && rows_of(tile) > 0, "the tile is not configured");
}

float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Denormals count as zero, as operands and as results, whatever MXCSR says.
float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

template <class T>
T element(int tile, int64_t row, int64_t column) {
  T value;
  std::memcpy(&value, state.bytes[tile][row] + column * sizeof(T), sizeof(T));
  return value;
}

float bfloat16(int tile, int64_t row, int64_t column) {
  return flush(float_of(static_cast<uint32_t>(element<uint16_t>(tile, row, column)) << 16));
}

template <class A, class B>
uint32_t int8_sum(uint32_t sum, int a, int b, int64_t m, int64_t n) {
  for (int64_t k = 0; k < rows_of(b); ++k)
    for (int64_t i = 4 * k, j = 4 * n; i < 4 * k + 4; ++i, ++j)
      sum += static_cast<uint32_t>(static_cast<int32_t>(element<A>(a, m, i)) * element<B>(b, k, j));
  return sum;
}

// The even and the odd elements have a sum each, one fused multiplication and addition after the other; the two are
// added, then added to C.
float bfloat16_sum(float c, int a, int b, int64_t m, int64_t n) {
  float sums[2] = {};
  for (int64_t k = 0; k < rows_of(b); ++k)
    for (int64_t i = 0; i < 2; ++i)
      sums[i] = flush(std::fma(bfloat16(a, m, 2 * k + i), bfloat16(b, k, 2 * n + i), sums[i]));
  return flush(flush(c) + flush(sums[0] + sums[1]));
}

uint32_t sum_of(Product product, uint32_t c, int a, int b, int64_t m, int64_t n) {
  switch (product) {
    case Product::kSignedSigned: return int8_sum<int8_t, int8_t>(c, a, b, m, n);
    case Product::kSignedUnsigned: return int8_sum<int8_t, uint8_t>(c, a, b, m, n);
    case Product::kUnsignedSigned: return int8_sum<uint8_t, int8_t>(c, a, b, m, n);
    case Product::kBFloat16: break;
  }
  const float sum = bfloat16_sum(float_of(c), a, b, m, n);
  uint32_t bits;
  std::memcpy(&bits, &sum, sizeof bits);
  return bits;
}

}  // namespace

void configure(const Config* config) {
  state = State();
  if (config == nullptr) return;
  require(config->palette == 1 && config->start_row == 0, "only palette 1 from row 0 is known");
  for (int64_t tile = 0; tile < 16; ++tile) {
    require(tile < kTiles || config->rows[tile] + config->row_bytes[tile] == 0, "palette 1 has 8 tiles");
    require(config->rows[tile] <= kTileRows && config->row_bytes[tile] <= kRowBytes, "the tile is too large");
    require((config->rows[tile] == 0) == (config->row_bytes[tile] == 0), "a tile of rows without bytes");
  }
  state.config = *config;
  state.active = true;
}

void zero(int tile) {
  require_tile(tile);
  std::memset(state.bytes[tile], 0, sizeof state.bytes[tile]);
}

void load(int tile, const void* base, int64_t stride) {
  zero(tile);
  for (int64_t r = 0; r < rows_of(tile); ++r)
    std::memcpy(state.bytes[tile][r], static_cast<const char*>(base) + r * stride, row_bytes_of(tile));
}

void store(int tile, void* base, int64_t stride) {
  require_tile(tile);
  for (int64_t r = 0; r < rows_of(tile); ++r)
    std::memcpy(static_cast<char*>(base) + r * stride, state.bytes[tile][r], row_bytes_of(tile));
}

void multiply(Product product, int c, int a, int b) {
  require_tile(c);
  require_tile(a);
  require_tile(b);
  require(rows_of(c) == rows_of(a), "A and C differ in rows");
  require(row_bytes_of(c) == row_bytes_of(b), "B and C differ in columns");
  require(row_bytes_of(a) == 4 * rows_of(b) && row_bytes_of(c) % 4 == 0, "A and B do not fit");
  for (int64_t m = 0; m < rows_of(c); ++m)
    for (int64_t n = 0; n < row_bytes_of(c) / 4; ++n) {
      const uint32_t sum = sum_of(product, element<uint32_t>(c, m, n), a, b, m, n);
      std::memcpy(state.bytes[c][m] + 4 * n, &sum, sizeof sum);
    }
}

}  // namespace emulated
}  // namespace nc_trainer::amx

#else

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace nc_trainer::amx {
namespace {

constexpr unsigned kOsSavesState = 1u << 27;                        // CPUID 1, ECX: OSXSAVE
constexpr unsigned kTileBf16Int8 = 1u << 24 | 1u << 22 | 1u << 25;  // CPUID 7.0, EDX
constexpr unsigned kTileState = 3u << 17;                           // XCR0: TILECFG and TILEDATA
constexpr long kRequestPermission = 0x1023;                         // ARCH_REQ_XCOMP_PERM of Linux 5.16
constexpr long kTileData = 18;

bool cpu_has_it() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kOsSavesState)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTileBf16Int8) != kTileBf16Int8) return false;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTileState) == kTileState;
}

}  // namespace

bool usable() {
  static const bool answer = cpu_has_it() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return answer;
}

}  // namespace nc_trainer::amx

#endif
