// Memory that a thread keeps between calls, since fresh pages from the system are slow.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace nc_trainer {

class Scratch {
 public:
  // At least `bytes` bytes, aligned to a cache line. What was there before is lost.
  void* reserve(int64_t bytes) {
    if (bytes > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
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

}  // namespace nc_trainer
