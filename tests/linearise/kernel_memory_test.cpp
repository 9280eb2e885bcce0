// The kernel's cap of memory, against every tensor that is made meanwhile.
#include <ATen/ops/randn.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "linearise/kernel.h"
#include "models/model.h"

namespace unlazy::linearise {
namespace {

// LibTorch's allocator with a count of the bytes that are in use.
class CountingAllocator final : public c10::Allocator {
 public:
  CountingAllocator() : base_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, kPriority); }
  ~CountingAllocator() override { c10::SetCPUAllocator(base_, kPriority); }

  c10::DataPtr allocate(size_t bytes) override {
    in_use += static_cast<int64_t>(bytes);
    peak = std::max(peak, in_use);
    auto* block = new Block{this, bytes, base_->allocate(bytes)};
    return {block->data.get(), block, &CountingAllocator::release, c10::Device(c10::kCPU)};
  }
  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

  int64_t in_use = 0, peak = 0;

 private:
  struct Block {
    CountingAllocator* owner;
    size_t bytes;
    c10::DataPtr data;
  };
  static constexpr uint8_t kPriority = 100;
  static void release(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->owner->in_use -= static_cast<int64_t>(block->bytes);
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
  CountingAllocator allocator;
  const auto peak_of = [&](int64_t megabytes, bool is_traced) {
    const KernelOptions kernel_options{.memory = megabytes << 20, .batch = 4};
    allocator.peak = allocator.in_use;
    const int64_t before = allocator.in_use;
    if (is_traced) {
      traced_kernel(network, x, kernel_options);
    } else {
      kernel(network, x, x_test, kernel_options);
    }
    return static_cast<double>(allocator.peak - before) / (1 << 20);
  };
  for (const bool is_traced : {false, true}) {
    for (const int64_t cap : {4, 16, 64}) EXPECT_LT(peak_of(cap, is_traced), cap) << is_traced;
    EXPECT_GT(peak_of(1024, is_traced), 16);  // so much it would take
  }
}

}  // namespace
}  // namespace unlazy::linearise
