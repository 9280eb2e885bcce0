#include "support/cuda_emulation.h"

#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "core/error.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace unlazy::testing {

namespace emulation {
Index3 thread_index, block_index, block_dim, grid_dim;
}

namespace {

constexpr size_t kStack = 64 << 10;

// AddressSanitizer is told of every change of stack.
void leave([[maybe_unused]] void** own, [[maybe_unused]] const void* bottom,
           [[maybe_unused]] size_t size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(own, bottom, size);
#endif
}
void arrive([[maybe_unused]] void* own, [[maybe_unused]] const void** bottom,
            [[maybe_unused]] size_t* size) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(own, bottom, size);
#endif
}

struct Fiber {
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStack);
  ucontext_t context{};
  void* sanitizer = nullptr;
  Index3 index;
  int64_t barriers = 0;
  bool is_done = false;
};

class Block {
 public:
  explicit Block(const std::function<void()>& thread, size_t threads)
      : thread_(thread), fibers_(threads) {}

  void run(const std::vector<size_t>& order) {
    for (size_t i = 0; i < fibers_.size(); ++i) start(fibers_[i], i);
    // From barrier to barrier.
    while (true) {
      for (const size_t i : order) resume(fibers_[i]);
      if (error_) std::rethrow_exception(error_);
      const bool is_done = fibers_[0].is_done;
      for (const auto& fiber : fibers_) {
        UNLAZY_CHECK(fiber.is_done == is_done && fiber.barriers == fibers_[0].barriers,
                     "emulation: thread ", &fiber - fibers_.data(), " meets ", fiber.barriers,
                     fiber.is_done ? " barriers in all" : " barriers so far", ", thread 0 ",
                     fibers_[0].barriers);
      }
      if (is_done) return;
    }
  }

  void barrier() {
    ++current_->barriers;
    pause(*current_, /*is_last=*/false);
  }

  static Block* running;

 private:
  void start(Fiber& fiber, size_t place) {
    const auto& dim = emulation::block_dim;
    const auto i = static_cast<unsigned>(place);
    fiber.index = {i % dim.x, i / dim.x % dim.y, i / (dim.x * dim.y)};
    fiber.barriers = 0;
    fiber.is_done = false;
    ::getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    ::makecontext(&fiber.context, &Block::entry, 0);
  }

  static void entry() {
    Block& block = *running;
    Fiber& fiber = *block.current_;
    arrive(nullptr, &block.bottom_, &block.size_);
    try {
      block.thread_();
    } catch (...) {
      block.error_ = std::current_exception();
    }
    fiber.is_done = true;
    block.pause(fiber, /*is_last=*/true);
  }

  void resume(Fiber& fiber) {
    if (fiber.is_done) return;
    current_ = &fiber;
    emulation::thread_index = fiber.index;
    void* own = nullptr;
    leave(&own, fiber.stack.get(), kStack);
    ::swapcontext(&scheduler_, &fiber.context);
    arrive(own, nullptr, nullptr);
  }

  void pause(Fiber& fiber, bool is_last) {
    leave(is_last ? nullptr : &fiber.sanitizer, bottom_, size_);
    ::swapcontext(&fiber.context, &scheduler_);
    arrive(fiber.sanitizer, &bottom_, &size_);
  }

  const std::function<void()>& thread_;
  std::vector<Fiber> fibers_;
  Fiber* current_ = nullptr;
  ucontext_t scheduler_{};
  const void* bottom_ = nullptr;  // of the scheduler's stack
  size_t size_ = 0;
  std::exception_ptr error_;
};

Block* Block::running = nullptr;

size_t volume(const Index3& i) { return size_t{i.x} * i.y * i.z; }

std::vector<size_t> ordered(size_t count, Order order, std::mt19937_64& rng) {
  std::vector<size_t> places(count);
  std::iota(places.begin(), places.end(), size_t{0});
  if (order == Order::kDown) std::reverse(places.begin(), places.end());
  if (order == Order::kShuffled) std::shuffle(places.begin(), places.end(), rng);
  return places;
}

}  // namespace

void emulation::barrier() { Block::running->barrier(); }

void run_kernel(const Launch& launch, const std::function<void()>& thread) {
  std::mt19937_64 rng(launch.seed);
  emulation::block_dim = launch.block;
  emulation::grid_dim = launch.grid;
  Block block(thread, volume(launch.block));
  Block::running = &block;
  for (const size_t place : ordered(volume(launch.grid), launch.order, rng)) {
    const auto i = static_cast<unsigned>(place);
    emulation::block_index = {i % launch.grid.x, i / launch.grid.x % launch.grid.y,
                              i / (launch.grid.x * launch.grid.y)};
    block.run(ordered(volume(launch.block), launch.order, rng));
  }
  Block::running = nullptr;
}

}  // namespace unlazy::testing
