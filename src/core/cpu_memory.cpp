#include "core/cpu_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

namespace unlazy {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
// Below this the C library's own free lists serve well.
constexpr size_t kSmallest = size_t{1} << 20;

class CachingAllocator final : public c10::Allocator {
 public:
  explicit CachingAllocator(c10::Allocator* base) : base_(base) {}

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < kSmallest) return base_->allocate(bytes);
    void* block = take(bytes);
    return {block, block, &CachingAllocator::give_back, c10::Device(c10::kCPU)};
  }
  // A raw pointer may have come from either allocator; give_back tells them apart.
  c10::DeleterFnPtr raw_deleter() const override { return &CachingAllocator::give_back; }
  void copy_data(void* to, const void* from, size_t count) const override {
    std::memcpy(to, from, count);
  }

  void give_back_free() {
    const std::lock_guard lock(mutex_);
    drop_free();
  }

  static CachingAllocator*& instance() {
    static CachingAllocator* allocator = nullptr;
    return allocator;
  }

 private:
  static void give_back(void* block) { instance()->release(block); }

  // The smallest free block that fits and wastes at most a quarter, or a new one.
  void* take(size_t bytes) {
    const size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const std::lock_guard lock(mutex_);
    if (const auto found = free_.lower_bound(size);
        found != free_.end() && found->first <= size + size / 4) {
      void* block = found->second;
      in_use_[block] = found->first;
      free_.erase(found);
      return block;
    }
    void* block = map(size);
    if (block == nullptr) {
      drop_free();
      block = map(size);
    }
    TORCH_CHECK_WITH(OutOfMemoryError, block != nullptr, "out of memory: ", bytes, " bytes wanted");
    in_use_[block] = size;
    return block;
  }

  void drop_free() {
    for (const auto& [length, unused] : free_) ::free(unused);
    free_.clear();
  }

  static void* map(size_t size) {
    void* block = std::aligned_alloc(kHugePage, size);
    if (block != nullptr) ::madvise(block, size, MADV_HUGEPAGE);
    return block;
  }

  void release(void* block) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = in_use_.find(block); found != in_use_.end()) {
        free_.emplace(found->second, block);
        in_use_.erase(found);
        return;
      }
    }
    base_->raw_deleter()(block);
  }

  c10::Allocator* base_;
  std::mutex mutex_;
  std::multimap<size_t, void*> free_;  // by size
  std::unordered_map<void*, size_t> in_use_;
};

}  // namespace

void use_caching_cpu_allocator() {
  if (CachingAllocator::instance() != nullptr) return;
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 16 << 20);
  ::mallopt(M_ARENA_MAX, 1);  // other arenas live in 64 MB maps that are given back
  CachingAllocator::instance() =
      new CachingAllocator(c10::GetCPUAllocator());  // lives as long as the process
  c10::SetCPUAllocator(CachingAllocator::instance(), /*priority=*/100);
}

void give_back_free_memory() {
  if (CachingAllocator::instance() != nullptr) CachingAllocator::instance()->give_back_free();
  ::malloc_trim(0);
}

size_t peak_resident_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

}  // namespace unlazy
