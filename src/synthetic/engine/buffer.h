// Memory for the vector loops: doubles on 64-byte boundaries, zero at first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace unlazy::synthetic {

/// The next multiple of `step`.
constexpr int64_t round_up(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

/// `count` doubles, 64-byte aligned, zero. Copies are deep.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count) : count_(count), data_(allocate(count)) {}
  Buffer(const Buffer& other) : Buffer(other.count_) {
    std::copy_n(other.data_.get(), count_, data_.get());
  }
  Buffer(Buffer&& other) noexcept = default;
  Buffer& operator=(Buffer other) {
    count_ = other.count_;
    data_ = std::move(other.data_);
    return *this;
  }

  int64_t size() const { return count_; }
  double* data() { return data_.get(); }
  const double* data() const { return data_.get(); }
  double& operator[](int64_t i) { return data_[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return data_[static_cast<size_t>(i)]; }

 private:
  struct Free {
    void operator()(double* p) const { std::free(p); }
  };
  static double* allocate(int64_t count) {
    const auto bytes =
        static_cast<size_t>(round_up(std::max<int64_t>(count, 1), 8)) * sizeof(double);
    auto* data = static_cast<double*>(std::aligned_alloc(64, bytes));
    if (data == nullptr) throw std::bad_alloc();
    std::fill_n(data, bytes / sizeof(double), 0.0);
    return data;
  }

  int64_t count_ = 0;
  std::unique_ptr<double[], Free> data_;
};

}  // namespace unlazy::synthetic
