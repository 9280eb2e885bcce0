#include "data/contact_sheet.h"

#include <opencv2/core.hpp>
#include <vector>

#include "data/png.h"

namespace unlazy::data {
namespace {
constexpr int kGap = 2;  // pixels between images
}

void write_contact_sheet(const std::string& path, const Dataset& split, int64_t per_class) {
  const auto rows = static_cast<int>(split.images.size(1)),
             cols = static_cast<int>(split.images.size(2));
  cv::Mat sheet((rows + kGap) * static_cast<int>(split.num_classes()),
                (cols + kGap) * static_cast<int>(per_class), CV_8UC3, cv::Scalar::all(0));
  std::vector<int64_t> placed(split.classes.size());
  const auto* labels = split.labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < split.size(); ++i) {
    auto& column = placed[static_cast<size_t>(labels[i])];
    if (column == per_class) continue;
    const cv::Rect place(static_cast<int>(column++) * (cols + kGap),
                         static_cast<int>(labels[i]) * (rows + kGap), cols, rows);
    image_at(split, i).copyTo(sheet(place));
  }
  write_png(path, sheet);
}

}  // namespace unlazy::data
