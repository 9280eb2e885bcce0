// RGB images of a split as OpenCV sees them, and as PNG files. Only for .cpp files in this folder,
// because it includes OpenCV.
#pragma once

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "data/dataset.h"

namespace unlazy::data {

/// Image i of the split, without a copy: the split must outlive it. RGB, 8 bit.
inline cv::Mat image_at(const Dataset& split, int64_t i) {
  const auto rows = static_cast<int>(split.images.size(1)),
             cols = static_cast<int>(split.images.size(2));
  return {rows, cols, CV_8UC3, split.images.data_ptr<uint8_t>() + i * int64_t{rows} * cols * 3};
}

/// Writes an RGB image, lossless.
inline void write_png(const std::string& path, const cv::Mat& rgb) {
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> bytes;
  UNLAZY_CHECK(cv::imencode(".png", bgr, bytes), path, ": cannot be encoded as PNG");
  write_file(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace unlazy::data
