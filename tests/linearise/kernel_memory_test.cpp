// The kernel's cap of memory, against every tensor that is made meanwhile.
#include <ATen/ops/randn.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "linearise/kernel.h"
#include "models/model.h"

namespace unlazy::linearise {
namespace {

// LibTorch's allocator with a count of the bytes that are in use. A block is its own context, as
// raw_allocate() wants it; so its size is kept beside it.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : base_(c10::GetCPUAllocator()) {
    books();  // knows the deleter of the allocator below
    c10::SetCPUAllocator(this, kPriority);
  }
  ~CountingAllocator() override { c10::SetCPUAllocator(base_, kPriority); }

  c10::DataPtr allocate(size_t bytes) override {
    auto block = base_->allocate(bytes);
    void* const data = block.get();
    if (data == nullptr) return block;
    EXPECT_EQ(block.release_context(), data);
    const std::lock_guard lock(books().mutex);
    books().sizes[data] = static_cast<int64_t>(bytes);
    books().in_use += static_cast<int64_t>(bytes);
    books().peak = std::max(books().peak, books().in_use);
    return {data, data, &CountingAllocator::release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::release; }
  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

  /// Bytes in use now; the peak is counted anew from here.
  static int64_t restart() {
    const std::lock_guard lock(books().mutex);
    return books().peak = books().in_use;
  }
  static int64_t peak() { return books().peak; }

 private:
  // Outlives the allocator, as its blocks may.
  struct Books {
    std::mutex mutex;
    std::unordered_map<void*, int64_t> sizes;
    int64_t in_use = 0, peak = 0;
    c10::DeleterFnPtr release = c10::GetCPUAllocator()->raw_deleter();
  };
  static Books& books() {
    static Books books;
    return books;
  }
  static constexpr uint8_t kPriority = 100;
  static void release(void* data) {
    {
      const std::lock_guard lock(books().mutex);
      const auto size = books().sizes.extract(data);
      if (size) books().in_use -= size.mapped();
    }
    books().release(data);
  }

  c10::Allocator* base_;
};

TEST(KernelMemory, StaysWithinItsCap) {
  models::ModelOptions options;
  options.name = "ntk-wrn";
  const auto model = models::make_model(options, {3, 16, 16, 10}, 0);
  model->module().eval();
  const Network network(*model);
  const auto x = at::randn({12, 3, 16, 16}), x_test = at::randn({12, 3, 16, 16});
  const CountingAllocator allocator;
  const auto peak_of = [&](int64_t megabytes, bool is_traced) {
    const KernelOptions kernel_options{.memory = megabytes << 20, .batch = 4};
    const int64_t before = CountingAllocator::restart();
    if (is_traced) {
      traced_kernel(network, x, kernel_options);
    } else {
      kernel(network, x, x_test, kernel_options);
    }
    return static_cast<double>(CountingAllocator::peak() - before) / (1 << 20);
  };
  for (const bool is_traced : {false, true}) {
    for (const int64_t cap : {4, 16, 64}) EXPECT_LT(peak_of(cap, is_traced), cap) << is_traced;
    EXPECT_GT(peak_of(1024, is_traced), 16);  // so much it would take
  }
}

}  // namespace
}  // namespace unlazy::linearise
