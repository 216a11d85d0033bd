#include "matmul.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

namespace nc_trainer {
namespace {

constexpr int64_t kPackFromRows = 8;             // packing the weights pays off from this many rows
constexpr int64_t kPackedBytes = 192 << 10;      // packed weights at once, to stay in the L2 cache
constexpr int64_t kCodesBytes = 1 << 20;         // codes at once
constexpr int64_t kTaskProducts = 1 << 18;       // multiplications worth waking another thread for
constexpr int64_t kProductsPerCode = 8;          // multiplications in the time of quantizing one element
constexpr int64_t kProductsPerPackedWeight = 2;  // and of packing one weight

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t element_bytes(Element type) {
  if (type == Element::kBFloat16) return 2;
  return type == Element::kInt8 ? 1 : 4;
}

// Cache-aligned memory that a thread keeps between calls, since fresh pages from the system are slow.
class Scratch {
 public:
  void* reserve(int64_t bytes) {
    if (bytes > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(std::aligned_alloc(64, divide_up(bytes, 64) * 64));
      if (!memory_) throw std::bad_alloc();
      size_ = bytes;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  int64_t size_ = 0;
};

// The rows [first, first + count) of a product, encoded.
struct Rows {
  int64_t first, count;
  const char* codes;
  const float* scales;
};

// Write the outputs of `count` rows, from `begin` within `rows`, in one panel, from their accumulators.
void store(const Product& p, const Kernels& kernels, const Rows& rows, int64_t begin, int64_t count, int64_t panel,
           const int32_t* acc) {
  const int64_t first = panel * kPanel, n = std::min(kPanel, p.n - first);
  char* out = static_cast<char*>(p.out) + ((rows.first + begin) * p.n + first) * element_bytes(p.out_type());
  if (p.out_type() != Element::kInt32) {
    kernels.dequantize({acc, count, n, rows.scales + begin, p.scale + first, p.bias ? p.bias + first : nullptr, out,
                        p.n, p.out_type()});
    return;
  }
  for (int64_t r = 0; r < count; ++r)
    std::memcpy(out + r * p.n * sizeof *acc, acc + r * kPanel, n * sizeof *acc);
}

void encode(const Product& p, const Kernels& kernels, const Rows& rows, char* codes, float* scales) {
  const int64_t source = p.row_stride * element_bytes(p.x_type), stride = kernels.row_bytes(p.k);
  for (int64_t r = 0; r < rows.count; ++r) {
    const char* x = static_cast<const char*>(p.x) + (rows.first + r) * source;
    scales[r] = kernels.encode_row(x, p.x_type, p.k, codes + r * stride);
  }
}

struct Range {
  int64_t begin, end;
};

// Part `i` of 0 .. size, cut into `parts` of nearly the same length.
Range part(int64_t size, int64_t parts, int64_t i) { return {i * size / parts, (i + 1) * size / parts}; }

// Few rows: read each weight once, straight from its place.
void multiply_plain(const Product& p, const Kernels& kernels, const Rows& rows, Range panels) {
  const int64_t stride = kernels.row_bytes(p.k);
  int32_t acc[kPanel];
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kPanel, n = std::min(kPanel, p.n - first);
    for (int64_t r = 0; r < rows.count; ++r) {
      kernels.multiply_plain(rows.codes + r * stride, p.weight + first * p.k, n, p.k, acc);
      store(p, kernels, rows, r, 1, panel, acc);
    }
  }
}

// Many rows: pack the panels, as many as stay in the L2 cache, and run all the rows past them.
void multiply_packed(const Product& p, const Kernels& kernels, const Rows& rows, Range panels) {
  static thread_local Scratch scratch;
  const int64_t bytes = kernels.panel_bytes(p.k), stride = kernels.row_bytes(p.k);
  const int64_t fit = std::clamp<int64_t>(kPackedBytes / std::max<int64_t>(bytes, 1), 1, panels.end - panels.begin);
  auto* packed = static_cast<char*>(scratch.reserve(fit * bytes));
  int32_t acc[kMaxTileRows * kPanel];
  for (Range block{panels.begin, 0}; block.begin < panels.end; block.begin = block.end) {
    block.end = std::min(block.begin + fit, panels.end);
    for (int64_t panel = block.begin; panel < block.end; ++panel) {
      const int64_t first = panel * kPanel, n = std::min(kPanel, p.n - first);
      kernels.pack_panel(p.weight + first * p.k, n, p.k, packed + (panel - block.begin) * bytes);
    }
    for (int64_t row = 0; row < rows.count; row += kernels.tile_rows) {
      const int64_t count = std::min(kernels.tile_rows, rows.count - row);
      for (int64_t panel = block.begin; panel < block.end; ++panel) {
        const char* weights = packed + (panel - block.begin) * bytes;
        kernels.multiply_packed(rows.codes + row * stride, count, weights, p.k, acc);
        store(p, kernels, rows, row, count, panel, acc);
      }
    }
  }
}

// The outputs of some rows and some panels by one thread, as many rows at a time as have room for their codes.
void multiply(const Product& p, const Kernels& kernels, Range all, Range panels) {
  if (all.begin >= all.end || panels.begin >= panels.end) return;
  static thread_local Scratch scratch;
  const int64_t row_bytes = kernels.row_bytes(p.k);
  const int64_t fit = std::max<int64_t>(kCodesBytes / row_bytes / kernels.tile_rows, 4) * kernels.tile_rows;
  const int64_t chunk = std::min(fit, all.end - all.begin);
  auto* codes = static_cast<char*>(scratch.reserve(chunk * (row_bytes + static_cast<int64_t>(sizeof(float)))));
  auto* scales = reinterpret_cast<float*>(codes + chunk * row_bytes);
  for (int64_t first = all.begin; first < all.end; first += chunk) {
    const Rows rows{first, std::min(chunk, all.end - first), codes, scales};
    encode(p, kernels, rows, codes, scales);
    if (rows.count < kPackFromRows) {
      multiply_plain(p, kernels, rows, panels);
    } else {
      multiply_packed(p, kernels, rows, panels);
    }
  }
}

// The work is cut into a grid of tasks, one for each thread. A task quantizes its rows and packs its columns for
// itself, which repeats a little work, so that the threads meet only once, at the end of the call.
struct Grid {
  int64_t rows, columns;
};

// The grid of at most `tasks` tasks that takes the least time.
Grid best_grid(const Product& p, int64_t tasks) {
  Grid best{1, 1};
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t r = 1; r <= tasks; ++r) {
    const Grid grid{r, tasks / r};
    const int64_t rows = divide_up(p.m, grid.rows), columns = divide_up(p.n, grid.columns);
    const int64_t packing = rows < kPackFromRows ? 0 : columns * kProductsPerPackedWeight;
    const int64_t cost = rows * columns + rows * kProductsPerCode + packing;
    if (cost < least) {
      least = cost;
      best = grid;
    }
  }
  return best;
}

}  // namespace

void run(const Product& p, const Kernels& kernels) {
  if (p.m == 0 || p.n == 0) return;
  const int64_t tiles = divide_up(p.m, kernels.tile_rows), panels = divide_up(p.n, kPanel);
  const int64_t tasks = std::clamp<int64_t>(p.m * p.n * p.k / kTaskProducts, 1, at::get_num_threads());
  const Grid grid = best_grid(p, tasks);
  at::parallel_for(0, grid.rows * grid.columns, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const Range some = part(tiles, grid.rows, task / grid.columns);
      const Range rows{some.begin * kernels.tile_rows, std::min(some.end * kernels.tile_rows, p.m)};
      multiply(p, kernels, rows, part(panels, grid.columns, task % grid.columns));
    }
  });
}

}  // namespace nc_trainer
