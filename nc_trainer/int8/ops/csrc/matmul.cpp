#include "matmul.h"

#include <algorithm>
#include <limits>

#include "parallel.h"
#include "scratch.h"

namespace nc_trainer {
namespace {

constexpr int64_t kAllCodesBytes = 64 << 20;   // codes of one round that threads share; more rows take more rounds
constexpr int64_t kCodesBytes = 4096 << 10;     // codes that stay in the L2 cache while the weights pass by
constexpr int64_t kTaskProducts = 1 << 20;     // multiplications worth waking another thread for
constexpr int64_t kTaskCodes = 1 << 15;        // codes worth the same

int64_t element_bytes(Element type) {
  if (type == Element::kBFloat16) return 2;
  return type == Element::kInt8 ? 1 : 4;
}

struct Range {
  int64_t begin, end;

  int64_t size() const { return end - begin; }
};

// Part `i` of a range, cut into `parts` of nearly the same length.
Range part(Range all, int64_t parts, int64_t i) {
  return {all.begin + i * all.size() / parts, all.begin + (i + 1) * all.size() / parts};
}

// Calls body(i) for 0 <= i < size, at least `grain` of them at a time on one thread.
template <class Body>
void parallel(int64_t size, int64_t grain, const Body& body) {
  parallel_for(0, size, std::max<int64_t>(grain, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

// Some neighbouring blocks of one of the weights: what a tile takes at once.
struct Columns {
  const Linear* linear;
  int64_t first, blocks;  // in blocks

  int64_t outputs() const { return std::min(blocks * kBlockOutputs, linear->n - first * kBlockOutputs); }
};

// The outputs of all weights, cut into columns of nearly the same width.
class AllColumns {
 public:
  AllColumns(const Product& p, int64_t blocks) : p_(p), blocks_(blocks) {}

  int64_t count() const {
    int64_t total = 0;
    for (int64_t i = 0; i < p_.count; ++i) total += count_of(p_.linears[i]);
    return total;
  }

  Columns at(int64_t number) const {
    const Linear* linear = p_.linears;
    for (; number >= count_of(*linear); ++linear) number -= count_of(*linear);
    const Range blocks = part({0, packed_blocks(linear->n)}, count_of(*linear), number);
    return {linear, blocks.begin, blocks.size()};
  }

 private:
  int64_t count_of(const Linear& linear) const { return divide_up(packed_blocks(linear.n), blocks_); }

  const Product& p_;
  int64_t blocks_;
};

// Some neighbouring rows of the input, encoded.
class Codes {
 public:
  Codes(const Product& p, const Kernels& kernels, Range rows, Scratch& memory)
      : p_(p), kernels_(kernels), rows_(rows), row_bytes_(kernels.row_bytes(p.k)) {
    const int64_t codes = round_up(rows.size(), kMaxTileRows) * row_bytes_;  // tiles may read beyond the last row
    codes_ = static_cast<char*>(memory.reserve(codes + rows.size() * static_cast<int64_t>(sizeof(RowFactors))));
    factors_ = reinterpret_cast<RowFactors*>(codes_ + codes);
  }

  void encode(int64_t row) {
    const int64_t i = row - rows_.begin;
    factors_[i] = kernels_.encode(p_.x.at(row), p_.type, p_.k, codes_ + i * row_bytes_);
  }

  Range rows() const { return rows_; }
  const char* codes(int64_t row) const { return codes_ + (row - rows_.begin) * row_bytes_; }
  const RowFactors* factors(int64_t row) const { return factors_ + (row - rows_.begin); }

 private:
  const Product& p_;
  const Kernels& kernels_;
  Range rows_;
  int64_t row_bytes_;
  char* codes_;
  RowFactors* factors_;
};

// Rows that stay in the L2 cache.
int64_t chunk_rows(const Product& p, const Kernels& kernels) {
  const int64_t fit = kCodesBytes / std::max<int64_t>(kernels.row_bytes(p.k), 1);
  return std::max<int64_t>(fit / kernels.tile_rows, 1) * kernels.tile_rows;
}

// The products of encoded rows with columns of the weights, by one thread.
class Worker {
 public:
  Worker(const Product& p, const Kernels& kernels) : p_(p), kernels_(kernels), columns_(p, kernels.tile_blocks) {
    if (kernels_.begin) kernels_.begin();
  }
  ~Worker() {
    if (kernels_.end) kernels_.end();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void multiply(const Codes& codes, Range rows, Range columns) {
    const int64_t tiles = divide_up(rows.size(), kernels_.tile_rows);
    for (int64_t column = columns.begin; column < columns.end; ++column)
      for (int64_t tile = 0; tile < tiles; ++tile)
        multiply_tile(codes, part(rows, tiles, tile), columns_.at(column));
  }

 private:
  void multiply_tile(const Codes& codes, Range rows, const Columns& columns) {
    const Linear& linear = *columns.linear;
    const int64_t block_bytes = linear.words * kBlockOutputs * kWordCodes;
    kernels_.multiply({.codes = codes.codes(rows.begin),
                       .row_bytes = kernels_.row_bytes(p_.k),
                       .rows = rows.size(),
                       .weights = linear.weight + columns.first * block_bytes,
                       .words = linear.words,
                       .block_bytes = block_bytes,
                       .blocks = columns.blocks,
                       .acc = acc_});
    finish(codes, rows, columns);
  }

  void finish(const Codes& codes, Range rows, const Columns& columns) const {
    const Linear& linear = *columns.linear;
    const int64_t first = columns.first * kBlockOutputs, bytes = element_bytes(p_.out_type());
    Outputs outputs{.acc = acc_,
                    .rows = rows.size(),
                    .n = columns.outputs(),
                    .factors = codes.factors(rows.begin),
                    .scale = linear.scale ? linear.scale + first : nullptr,
                    .bias = linear.bias ? linear.bias + first : nullptr,
                    .activation = linear.activation,
                    .type = p_.out_type(),
                    .out = {}};
    for (int64_t r = 0; r < outputs.rows; ++r)
      outputs.out[r] = linear.out + (p_.x.number(rows.begin + r) * linear.n + first) * bytes;
    kernels_.finish(outputs);
  }

  const Product& p_;
  const Kernels& kernels_;
  const AllColumns columns_;
  alignas(64) int32_t acc_[kMaxTileRows * kAccStride];
};

// How tiles of rows and columns are shared out: one task for each part of both.
struct Grid {
  int64_t rows, columns;
};

// The grid of at most `tasks` tasks that takes the least time. A tile more stands for reading the weights.
Grid best_grid(int64_t tiles, int64_t columns, int64_t tasks) {
  Grid best{1, 1};
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t rows = 1; rows <= std::min(tasks, tiles); ++rows) {
    const int64_t parts = std::min(tasks / rows, columns);
    const int64_t cost = (divide_up(tiles, rows) + 1) * divide_up(columns, parts);
    if (cost < least) {
      least = cost;
      best = {rows, parts};
    }
  }
  return best;
}

// Part `i` of the rows, in whole tiles as far as there are any.
Range row_part(const Product& p, const Kernels& kernels, int64_t parts, int64_t i) {
  const Range tiles = part({0, divide_up(p.m, kernels.tile_rows)}, parts, i);
  return {tiles.begin * kernels.tile_rows, std::min(tiles.end * kernels.tile_rows, p.m)};
}

// Every task encodes rows of its own and multiplies them with all columns, chunk after chunk.
void run_by_rows(const Product& p, const Kernels& kernels, int64_t tasks, Range columns) {
  const int64_t chunk = chunk_rows(p, kernels);
  parallel(tasks, 1, [&](int64_t task) {
    static thread_local Scratch memory;
    Worker worker(p, kernels);
    const Range mine = row_part(p, kernels, tasks, task);
    for (int64_t first = mine.begin; first < mine.end; first += chunk) {
      Codes codes(p, kernels, {first, std::min(first + chunk, mine.end)}, memory);
      for (int64_t row = codes.rows().begin; row < codes.rows().end; ++row) codes.encode(row);
      worker.multiply(codes, codes.rows(), columns);
    }
  });
}

// All tasks encode the rows together; then each multiplies some of them with some columns.
void run_by_grid(const Product& p, const Kernels& kernels, Range rows, const Grid& grid, Range columns) {
  static thread_local Scratch memory;
  Codes codes(p, kernels, rows, memory);
  parallel(rows.size(), kTaskCodes / std::max<int64_t>(p.k, 1), [&](int64_t i) { codes.encode(rows.begin + i); });
  const int64_t chunk = chunk_rows(p, kernels), tiles = divide_up(rows.size(), kernels.tile_rows);
  parallel(grid.rows * grid.columns, 1, [&](int64_t task) {
    Worker worker(p, kernels);
    const Range of_tiles = part({0, tiles}, grid.rows, task / grid.columns);
    const int64_t end = std::min(rows.begin + of_tiles.end * kernels.tile_rows, rows.end);
    for (int64_t first = rows.begin + of_tiles.begin * kernels.tile_rows; first < end; first += chunk)
      worker.multiply(codes, {first, std::min(first + chunk, end)}, part(columns, grid.columns, task % grid.columns));
  });
}

}  // namespace

void run(const Product& p, const Kernels& kernels) {
  const int64_t columns = AllColumns(p, kernels.tile_blocks).count();
  if (columns == 0 || p.m == 0) return;
  int64_t outputs = 0;
  for (int64_t i = 0; i < p.count; ++i) outputs += p.linears[i].n;
  const int64_t tasks = std::clamp<int64_t>(p.m * outputs * p.k / kTaskProducts, 1, thread_count());
  const Grid grid = best_grid(divide_up(p.m, kernels.tile_rows), columns, tasks);
  if (grid.columns == 1) return run_by_rows(p, kernels, grid.rows, {0, columns});
  const int64_t round = round_up(kAllCodesBytes / std::max<int64_t>(kernels.row_bytes(p.k), 1) + 1, kernels.tile_rows);
  for (int64_t first = 0; first < p.m; first += round)
    run_by_grid(p, kernels, {first, std::min(first + round, p.m)}, grid, {0, columns});
}

}  // namespace nc_trainer
