// Weights [n, k] in the order of kernels.h. The same in Python, for weights that are kept that way: ops/packing.py.
#include <algorithm>
#include <cstring>

#include "matmul.h"
#include "parallel.h"

namespace nc_trainer {
namespace {

constexpr uint32_t kPlus128 = 0x80808080;  // added to four codes at once: it flips the highest bit of each
constexpr int64_t kTaskCodes = 1 << 18;    // codes worth waking another thread for

uint32_t word_of(const int8_t* codes, int64_t count) {
  uint32_t word = 0;
  std::memcpy(&word, codes, count);
  return word ^ kPlus128;
}

void pack_block(const int8_t* codes, int64_t n, int64_t k, int64_t words, uint32_t* packed) {
  for (int64_t j = 0; j < n; ++j) {
    const int8_t* row = codes + j * k;
    for (int64_t word = 0; word < k / kWordCodes; ++word)
      packed[word * kBlockOutputs + j] = word_of(row + word * kWordCodes, kWordCodes);
    for (int64_t word = k / kWordCodes; word < words; ++word)
      packed[word * kBlockOutputs + j] = word_of(row + word * kWordCodes, std::max<int64_t>(k - word * kWordCodes, 0));
  }
  for (int64_t j = n; j < kBlockOutputs; ++j)
    for (int64_t word = 0; word < words; ++word) packed[word * kBlockOutputs + j] = kPlus128;
}

}  // namespace

void pack(const int8_t* codes, int64_t n, int64_t k, int32_t* packed) {
  const int64_t words = packed_words(k), block_words = words * kBlockOutputs;
  const int64_t grain = std::max<int64_t>(kTaskCodes / std::max<int64_t>(kBlockOutputs * k, 1), 1);
  parallel_for(0, packed_blocks(n), grain, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      pack_block(codes + block * kBlockOutputs * k, std::min(kBlockOutputs, n - block * kBlockOutputs), k, words,
                 reinterpret_cast<uint32_t*>(packed) + block * block_words);
  });
}

}  // namespace nc_trainer
