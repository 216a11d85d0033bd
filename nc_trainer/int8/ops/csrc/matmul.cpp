#include "matmul.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "scratch.h"

namespace nc_trainer {
namespace {

constexpr int64_t kAllCodesBytes = 64 << 20;   // codes of one round; more rows take more rounds
constexpr int64_t kCodesBytes = 384 << 10;     // codes that stay in the L2 cache while the weights pass by
constexpr int64_t kTaskProducts = 1 << 20;     // multiplications worth waking another thread for
constexpr int64_t kTaskCodes = 1 << 15;        // codes worth the same

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t element_bytes(Element type) {
  if (type == Element::kBFloat16) return 2;
  return type == Element::kInt8 ? 1 : 4;
}

struct Range {
  int64_t begin, end;

  int64_t size() const { return end - begin; }
};

// Part `i` of 0 .. size, cut into `parts` of nearly the same length.
Range part(int64_t size, int64_t parts, int64_t i) { return {i * size / parts, (i + 1) * size / parts}; }

// Calls body(i) for 0 <= i < size, at least `grain` of them at a time on one thread.
template <class Body>
void parallel(int64_t size, int64_t grain, const Body& body) {
  at::parallel_for(0, size, std::max<int64_t>(grain, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

// Some rows of the input, encoded: in panels, or one by one where they are few.
struct Encoded {
  int64_t first, count;
  const char* codes;
  const float* scales;  // of 16 rows a panel
  bool few;
};

// A block of neighbouring outputs of one of the weights.
struct Block {
  const Linear* linear;
  int64_t first, n;
};

// The outputs of all weights, cut into blocks.
class Blocks {
 public:
  Blocks(const Product& p, int64_t outputs) : p_(p), outputs_(outputs) {}

  int64_t count() const {
    int64_t total = 0;
    for (int64_t i = 0; i < p_.count; ++i) total += divide_up(p_.linears[i].n, outputs_);
    return total;
  }

  Block at(int64_t number) const {
    const Linear* linear = p_.linears;
    for (; number >= divide_up(linear->n, outputs_); ++linear) number -= divide_up(linear->n, outputs_);
    const int64_t first = number * outputs_;
    return {linear, first, std::min(outputs_, linear->n - first)};
  }

 private:
  const Product& p_;
  int64_t outputs_;
};

void encode_few(const Product& p, const Kernels& kernels, const Encoded& rows, char* codes, float* scales) {
  std::fill_n(scales, kPanelRows, 0.0f);
  for (int64_t r = 0; r < rows.count; ++r)
    scales[r] = kernels.encode_row(p.x.at(rows.first + r), p.type, p.k, codes + r * kernels.row_bytes(p.k));
}

void encode_panels(const Product& p, const Kernels& kernels, const Encoded& rows, char* codes, float* scales) {
  const int64_t bytes = kernels.panel_bytes(p.k), panel_codes = kPanelRows * std::max<int64_t>(p.k, 1);
  parallel(divide_up(rows.count, kPanelRows), kTaskCodes / panel_codes, [&](int64_t panel) {
    const int64_t row = panel * kPanelRows, count = std::min(kPanelRows, rows.count - row);
    kernels.encode_panel(p.x, p.type, rows.first + row, count, p.k, codes + panel * bytes, scales + row);
  });
}

// The products of some rows with one block of outputs after the other, by one thread.
class Worker {
 public:
  Worker(const Product& p, const Kernels& kernels, const Encoded& rows)
      : p_(p), kernels_(kernels), rows_(rows), weights_(scratch()) {
    if (kernels_.begin) kernels_.begin();
  }
  ~Worker() {
    if (kernels_.end) kernels_.end();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void multiply(const Block& block, Range panels) {
    const Weights weights =
        kernels_.prepare(block.linear->weight + block.first * p_.k, block.n, p_.k, weights_, offsets_);
    if (rows_.few) {
      kernels_.dot(rows_.codes, rows_.count, weights, block.n, p_.k, acc_);
      finish(block, 0, acc_);
      return;
    }
    for (int64_t panel = panels.begin; panel < panels.end; panel += kernels_.panels) {
      const int64_t count = std::min(kernels_.panels, panels.end - panel);
      kernels_.multiply(rows_.codes + panel * kernels_.panel_bytes(p_.k), count, weights, block.n, p_.k, acc_);
      for (int64_t i = 0; i < count; ++i) finish(block, panel + i, acc_ + i * kPanelRows);
    }
  }

 private:
  void* scratch() const {
    static thread_local Scratch memory;
    return memory.reserve(kMaxOutputs * kernels_.weight_row_bytes(p_.k));
  }

  void finish(const Block& block, int64_t panel, const int32_t* acc) const {
    const Linear& linear = *block.linear;
    const int64_t row = panel * kPanelRows, bytes = element_bytes(p_.out_type());
    const bool codes = p_.out_type() == Element::kInt32;
    Outputs outputs{acc,
                    kPanelRows * kMaxPanels,
                    std::min(kPanelRows, rows_.count - row),
                    block.n,
                    offsets_,
                    rows_.scales + row,
                    codes ? nullptr : linear.scale + block.first,
                    linear.bias ? linear.bias + block.first : nullptr,
                    linear.activation,
                    p_.out_type(),
                    {}};
    for (int64_t r = 0; r < outputs.rows; ++r) {
      const int64_t number = rows_.first + row + r;
      outputs.out[r] = linear.out + ((p_.x.chosen ? p_.x.chosen[number] : number) * linear.n + block.first) * bytes;
    }
    kernels_.finish(outputs);
  }

  const Product& p_;
  const Kernels& kernels_;
  const Encoded& rows_;
  void* weights_;
  int32_t offsets_[kMaxOutputs];
  alignas(64) int32_t acc_[kMaxOutputs * kPanelRows * kMaxPanels];
};

// How panels and blocks are shared out: one task for each part of the panels and of the blocks.
struct Grid {
  int64_t rows, columns;
};

// The grid of at most `tasks` tasks that takes the least time. Half a panel more stands for reading a block's weights.
Grid best_grid(int64_t panels, int64_t blocks, int64_t tasks) {
  Grid best{1, 1};
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t rows = 1; rows <= std::min(tasks, panels); ++rows) {
    const int64_t columns = std::min(tasks / rows, blocks);
    const int64_t cost = (2 * divide_up(panels, rows) + 1) * divide_up(blocks, columns);
    if (cost < least) {
      least = cost;
      best = {rows, columns};
    }
  }
  return best;
}

void multiply(const Product& p, const Kernels& kernels, const Encoded& rows) {
  const Blocks blocks(p, kernels.outputs);
  const int64_t panels = divide_up(rows.count, kPanelRows), all = blocks.count();
  if (all == 0) return;
  const int64_t products = rows.count * all * kernels.outputs * p.k;
  const int64_t tasks = std::clamp<int64_t>(products / kTaskProducts, 1, at::get_num_threads());
  const Grid grid = rows.few ? Grid{1, std::min(tasks, all)} : best_grid(panels, all, tasks);
  const int64_t fit = std::max<int64_t>(kCodesBytes / std::max<int64_t>(kernels.panel_bytes(p.k), 1), 1);
  const int64_t chunk = divide_up(fit, kernels.panels) * kernels.panels;
  parallel(grid.rows * grid.columns, 1, [&](int64_t task) {
    Worker worker(p, kernels, rows);
    const Range mine = part(panels, grid.rows, task / grid.columns);
    const Range columns = part(all, grid.columns, task % grid.columns);
    for (int64_t first = mine.begin; first < mine.end; first += chunk)
      for (int64_t block = columns.begin; block < columns.end; ++block)
        worker.multiply(blocks.at(block), {first, std::min(first + chunk, mine.end)});
  });
}

}  // namespace

void run(const Product& p, const Kernels& kernels) {
  static thread_local Scratch memory;
  const int64_t panel = std::max<int64_t>(kernels.panel_bytes(p.k), 1);
  const int64_t round = std::max<int64_t>(kAllCodesBytes / panel, 1) * kPanelRows;
  for (int64_t first = 0; first < p.m; first += round) {
    const int64_t count = std::min(round, p.m - first), padded = divide_up(count, kPanelRows) * kPanelRows;
    const bool few = count <= kernels.dot_rows;
    const int64_t bytes = few ? count * kernels.row_bytes(p.k) : padded / kPanelRows * kernels.panel_bytes(p.k);
    auto* scales = static_cast<float*>(memory.reserve(padded * static_cast<int64_t>(sizeof(float)) + bytes));
    char* codes = reinterpret_cast<char*>(scales + padded);
    const Encoded rows{first, count, codes, scales, few};
    if (few) {
      encode_few(p, kernels, rows, codes, scales);
    } else {
      encode_panels(p, kernels, rows, codes, scales);
    }
    multiply(p, kernels, rows);
  }
}

}  // namespace nc_trainer
