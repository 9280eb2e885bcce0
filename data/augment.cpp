#include "data/augment.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/error.h"

namespace unlazy::data {
namespace {

constexpr int64_t kChannels = 3;

// Pixels are copied by their bits: T is an unsigned integer of the dtype's size.
template <class T>
struct Crops {
  const uint8_t* images;
  const T* table;  // [3, 256]
  int64_t height, width, padding;

  void pixel(const uint8_t* from, T* to) const {
    for (int64_t c = 0; c < kChannels; ++c) to[c] = table[256 * c + from[c]];
  }
  // Columns of the crop, left to right, go to `to`, `to + step`, ...
  void row(const uint8_t* from, int64_t left, T* to, int64_t step) const {
    static constexpr uint8_t kBlack[kChannels] = {};
    const int64_t begin = std::clamp<int64_t>(padding - left, 0, width);
    const int64_t end = std::clamp<int64_t>(padding - left + width, begin, width);
    for (int64_t x = 0; x < begin; ++x) pixel(kBlack, to + x * step);
    if (from != nullptr) {
      for (int64_t x = begin; x < end; ++x)
        pixel(from + (x + left - padding) * kChannels, to + x * step);
    } else {
      for (int64_t x = begin; x < end; ++x) pixel(kBlack, to + x * step);
    }
    for (int64_t x = end; x < width; ++x) pixel(kBlack, to + x * step);
  }
  void image(const int64_t* plan, T* out) const {
    const uint8_t* source = images + plan[0] * height * width * kChannels;
    const int64_t step = plan[3] != 0 ? -kChannels : kChannels;
    T* first = plan[3] != 0 ? out + (width - 1) * kChannels : out;
    for (int64_t y = 0; y < height; ++y) {
      const int64_t source_y = y + plan[1] - padding;
      const bool is_inside = source_y >= 0 && source_y < height;
      row(is_inside ? source + source_y * width * kChannels : nullptr, plan[2],
          first + y * width * kChannels, step);
    }
  }
};

template <class T>
void run(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table, int64_t padding,
         const at::Tensor& out) {
  const Crops<T> crops{images.const_data_ptr<uint8_t>(),
                       static_cast<const T*>(table.const_data_ptr()), images.size(1),
                       images.size(2), padding};
  const auto* rows = plan.const_data_ptr<int64_t>();
  auto* result = static_cast<T*>(out.mutable_data_ptr());
  const int64_t image_size = images.size(1) * images.size(2) * kChannels;
  at::parallel_for(0, plan.size(0), 8, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) crops.image(rows + 4 * b, result + b * image_size);
  });
}

}  // namespace

at::Tensor normalization_table(const Normalization& normalization, c10::ScalarType dtype) {
  at::Tensor table = at::empty({kChannels, 256}, at::kDouble);
  auto* value = table.mutable_data_ptr<double>();
  for (size_t c = 0; c < kChannels; ++c) {
    for (int v = 0; v < 256; ++v)
      *value++ = (v / 255.0 - normalization.mean[c]) / normalization.stddev[c];
  }
  return table.to(dtype);
}

void write_plan(const std::vector<int64_t>& indices, const std::vector<Crop>& crops,
                int64_t* plan) {
  for (size_t b = 0; b < indices.size(); ++b, plan += kPlanWidth) {
    plan[0] = indices[b];
    plan[1] = crops[b].top;
    plan[2] = crops[b].left;
    plan[3] = crops[b].is_flipped ? 1 : 0;
  }
}

at::Tensor make_plan(const std::vector<int64_t>& indices, const std::vector<Crop>& crops,
                     bool is_pinned) {
  at::Tensor plan = at::empty({static_cast<int64_t>(indices.size()), kPlanWidth},
                              at::TensorOptions().dtype(at::kLong).pinned_memory(is_pinned));
  write_plan(indices, crops, plan.mutable_data_ptr<int64_t>());
  return plan;
}

at::Tensor gather_cpu(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table,
                      int64_t padding) {
  const at::Tensor out =
      at::empty({plan.size(0), images.size(1), images.size(2), kChannels}, table.options());
  switch (table.element_size()) {
    case 2:
      run<uint16_t>(images, plan, table, padding, out);
      break;
    case 4:
      run<uint32_t>(images, plan, table, padding, out);
      break;
    case 8:
      run<uint64_t>(images, plan, table, padding, out);
      break;
    default:
      UNLAZY_CHECK(false, "batches: images cannot be converted to ", toString(table.scalar_type()));
  }
  return out.permute({0, 3, 1, 2});
}

at::Tensor gather_aten(const at::Tensor& images, const at::Tensor& plan, const at::Tensor& table,
                       int64_t padding) {
  const int64_t height = images.size(1), width = images.size(2);
  const auto column = [&](int64_t i) { return plan.select(1, i).view({-1, 1}); };
  const at::Tensor x = at::arange(width, plan.options());
  const at::Tensor mirrored = x + column(3) * (width - 1 - 2 * x);                       // [B, W]
  const at::Tensor source_x = mirrored + column(2) - padding;                            // [B, W]
  const at::Tensor source_y = at::arange(height, plan.options()) + column(1) - padding;  // [B, H]
  const at::Tensor is_inside = (source_y.ge(0) & source_y.lt(height)).unsqueeze(2) &
                               (source_x.ge(0) & source_x.lt(width)).unsqueeze(1);  // [B, H, W]
  const at::Tensor row = column(0) * height + source_y.clamp(0, height - 1);        // [B, H]
  const at::Tensor place =
      row.unsqueeze(2) * width + source_x.clamp(0, width - 1).unsqueeze(1);  // [B, H, W]
  at::Tensor pixels =
      images.view({-1, kChannels}).index_select(0, place.view({-1})).to(at::kLong);  // [B H W, 3]
  pixels.mul_(is_inside.view({-1, 1})).add_(at::arange(kChannels, plan.options()) * 256);
  return table.view({-1})
      .index_select(0, pixels.view({-1}))
      .view({plan.size(0), height, width, kChannels})
      .permute({0, 3, 1, 2});
}

}  // namespace unlazy::data
