// The batch kernel on a GPU against the loop on the CPU: the same bits.
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>

#include "data/augment.h"
#include "data/batches.h"
#include "support/cuda.h"

#ifdef UNLAZY_HAS_CUDA
#include "cuda/augment_launch.h"
#endif

namespace unlazy::data {
namespace {

class GatherOnCuda : public testing::CudaTest {};

#ifdef UNLAZY_HAS_CUDA
TEST_F(GatherOnCuda, GivesTheBitsOfTheCpu) {
  const c10::Device device(c10::kCUDA, 0);
  const Normalization normalization{{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}};
  at::manual_seed(5);
  for (const auto& [height, width, padding] :
       {std::tuple{5, 7, 3}, {4, 4, 6}, {32, 32, 4}, {3, 2, 0}}) {
    const auto images = at::randint(0, 256, {9, height, width, 3}, c10::kByte);
    std::vector<int64_t> indices;
    std::vector<Crop> crops;
    for (int top = 0; top <= 2 * padding; ++top) {
      for (int left = 0; left <= 2 * padding; ++left) {
        indices.push_back((7 * top + left) % 9);
        crops.push_back({top, left, (top + left) % 2 == 1});
      }
    }
    const auto plan = make_plan(indices, crops, false);
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
      const auto table = normalization_table(normalization, dtype);
      const auto wanted = gather_cpu(images, plan, table, padding);
      const auto on_device = [&](const at::Tensor& t) { return t.to(device); };
      const auto by_kernel =
          cuda::gather(on_device(images), on_device(plan), on_device(table), padding);
      EXPECT_TRUE(at::equal(by_kernel.cpu(), wanted));
      EXPECT_EQ(by_kernel.strides(), wanted.strides());
      const auto by_operators =
          gather_aten(on_device(images), on_device(plan), on_device(table), padding);
      EXPECT_TRUE(at::equal(by_operators.cpu(), wanted));
    }
  }
}
#endif

TEST_F(GatherOnCuda, AReaderGivesTheSameBatchesOnBothDevices) {
  Dataset set;
  at::manual_seed(6);
  set.images = at::randint(0, 256, {20, 8, 8, 3}, c10::kByte);
  const Normalization normalization{{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
  const BatchReader on_cuda(set, normalization, {}, 3, c10::Device(c10::kCUDA, 0), c10::kFloat),
      on_cpu(set, normalization, {}, 3, c10::kCPU, c10::kFloat);
  for (int64_t step = 0; step < 50; ++step) {
    EXPECT_TRUE(at::equal(on_cuda.training_batch({3, 1, 4, 15}, step).cpu(),
                          on_cpu.training_batch({3, 1, 4, 15}, step)));
  }
}

}  // namespace
}  // namespace unlazy::data
