// The kernel's cap of memory, against every tensor that is made meanwhile.
#include <ATen/ops/randn.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "linearise/kernel.h"
#include "models/model.h"

namespace unlazy::linearise {
namespace {

// LibTorch's allocator with a count of the bytes in use. The state is static: some blocks, such as
// caches of oneDNN, may live longer than the test.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() {
    base = c10::GetCPUAllocator();
    c10::SetCPUAllocator(this, kPriority);
  }
  ~CountingAllocator() override { c10::SetCPUAllocator(base, kPriority); }

  c10::DataPtr allocate(size_t bytes) override {
    auto* const block = base->allocate(bytes).release_context();
    if (block == nullptr) return {nullptr, nullptr, &release, c10::Device(c10::kCPU)};
    const std::lock_guard lock(mutex);
    sizes[block] = static_cast<int64_t>(bytes);
    in_use += sizes[block];
    peak = std::max(peak, in_use);
    return {block, block, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

  static inline int64_t in_use = 0, peak = 0;

 private:
  static constexpr uint8_t kPriority = 100;
  static void release(void* block) {
    {
      const std::lock_guard lock(mutex);
      const auto found = sizes.find(block);
      if (found != sizes.end()) {
        in_use -= found->second;
        sizes.erase(found);
      }
    }
    base->raw_deleter()(block);
  }

  static inline c10::Allocator* base = nullptr;
  static inline std::mutex mutex;
  static inline std::map<void*, int64_t> sizes;
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
    const int64_t before = CountingAllocator::in_use;
    CountingAllocator::peak = before;
    if (is_traced) {
      traced_kernel(network, x, kernel_options);
    } else {
      kernel(network, x, x_test, kernel_options);
    }
    return static_cast<double>(CountingAllocator::peak - before) / (1 << 20);
  };
  for (const bool is_traced : {false, true}) {
    for (const int64_t cap : {4, 16, 64}) EXPECT_LT(peak_of(cap, is_traced), cap) << is_traced;
    EXPECT_GT(peak_of(1024, is_traced), 16);  // so much it would take
  }
}

}  // namespace
}  // namespace unlazy::linearise
