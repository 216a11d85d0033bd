// How many int8 multiplications and additions the CPU can do in registers, in 10^12 a second.
//
//     int8_peak THREADS SECONDS
//
// Every thread multiplies into independent accumulators, enough of them to hide the latency of the instruction,
// and reads nothing from memory. Time is each thread's CPU time, so that other processes do not lower the peak. The instruction is chosen when this is compiled: LEVEL_AMX, LEVEL_AVX512_VNNI,
// LEVEL_AVX_VNNI or LEVEL_AVX2.

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>
#include <vector>

#if LEVEL_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

constexpr long kBatch = 20000;
using Clock = std::chrono::steady_clock;

#if LEVEL_AMX

struct alignas(64) TileConfig {
  unsigned char palette = 1, start_row = 0, reserved[14] = {};
  unsigned short bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  unsigned char rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

constexpr double kOperations = 4 * 2.0 * 16 * 16 * 64;

bool prepare() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

void set_up_thread() {
  TileConfig config;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

// Two tiles of each factor, four of sums: the blocking of a real kernel, which keeps the tile unit busy.
void multiply() {
  for (long i = 0; i < kBatch; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
}

#else

constexpr int kAccumulators = 12;

#if LEVEL_AVX512_VNNI
using Vector = __m512i;
inline Vector splat(char value) { return _mm512_set1_epi8(value); }
inline Vector dot(Vector sum, Vector a, Vector b) { return _mm512_dpbusd_epi32(sum, a, b); }
#elif LEVEL_AVX_VNNI
using Vector = __m256i;
inline Vector splat(char value) { return _mm256_set1_epi8(value); }
inline Vector dot(Vector sum, Vector a, Vector b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }
#else
// Without VNNI exact products need 16-bit factors: vpmaddwd has half the lanes, and one addition.
using Vector = __m256i;
inline Vector splat(char value) { return _mm256_set1_epi16(value); }
inline Vector dot(Vector sum, Vector a, Vector b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
#endif

#if LEVEL_AVX2
constexpr int kBytesPerFactor = 2;
#else
constexpr int kBytesPerFactor = 1;
#endif
constexpr double kOperations = kAccumulators * 2.0 * sizeof(Vector) / kBytesPerFactor;

bool prepare() { return true; }
void set_up_thread() {}

void multiply() {
  Vector sums[kAccumulators], a = splat(1);
  const Vector b = splat(2);
  for (auto& sum : sums) sum = splat(0);
  for (long i = 0; i < kBatch; ++i) {
#pragma GCC unroll 16
    for (auto& sum : sums) {
      asm volatile("" : "+x"(a));  // The factor is not known to the compiler, which could otherwise multiply once.
      sum = dot(sum, a, b);
    }
  }
  for (auto& sum : sums) asm volatile("" ::"x"(sum));
}

#endif

double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

double run_thread(Clock::time_point end, std::atomic<bool>& go) {
  set_up_thread();
  while (!go) std::this_thread::yield();
  long batches = 0;
  const double start = cpu_seconds();
  for (; Clock::now() < end; ++batches) multiply();
  return batches * kBatch * kOperations / (cpu_seconds() - start);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 || !prepare()) return 1;
  const int threads = std::atoi(arguments[1]);
  const auto duration = std::chrono::duration<double>(std::atof(arguments[2]));
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(duration);
  std::atomic<bool> go{false};
  std::vector<double> rates(threads);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back([&, i] { rates[i] = run_thread(end, go); });
  go = true;
  for (auto& thread : running) thread.join();
  double total = 0;
  for (double rate : rates) total += rate;
  std::printf("%.4f\n", total / 1e12);
}
