// One matrix product by the tile instructions, for test_amx.py: C of [m, n] 32-bit elements, A of [m, 4 * k] and B of
// [k, 4 * n] bytes, all contiguous.
#include "amx.h"

namespace amx = nc_trainer::amx;

extern "C" [[gnu::visibility("default")]] int usable() { return amx::usable(); }

extern "C" [[gnu::visibility("default")]] void multiply(int kind, void* c, const void* a, const void* b, int m, int k,
                                                        int n) {
  amx::Config config;
  config.set(2, m, 4 * n);
  config.set(5, m, 4 * k);
  config.set(7, k, 4 * n);
  amx::configure(config);
  amx::zero<2>();
  amx::load<2>(c, 4 * n);
  amx::load<5>(a, 4 * k);
  amx::load<7>(b, 4 * n);
  if (kind == 0) amx::dpbssd<2, 5, 7>();
  if (kind == 1) amx::dpbsud<2, 5, 7>();
  if (kind == 2) amx::dpbusd<2, 5, 7>();
  if (kind == 3) amx::dpbf16ps<2, 5, 7>();
  amx::store<2>(c, 4 * n);
  amx::release();
}
