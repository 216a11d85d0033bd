// Loops over the threads of torch's own pool, through its stable interface.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <cstdint>

namespace nc_trainer {

using torch::stable::parallel_for;  // (begin, end, grain, body(begin, end)); a grain is at least 1

inline int64_t thread_count() { return torch::stable::get_num_threads(); }

}  // namespace nc_trainer
