#include "data/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "data/png.h"

namespace unlazy::data {
namespace {

constexpr int kGap = 2;  // pixels between images
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kTextSize = 0.38;
constexpr int kLine = 14;        // height of a line of text
constexpr size_t kLongest = 24;  // letters of a name
constexpr int kSmallest = 64;    // an image is enlarged by a whole number to at least this width
const cv::Scalar kWhite(255, 255, 255), kGround(24, 24, 24), kRed(255, 70, 70);

// OpenCV's font has ASCII only.
std::string printable(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if ((c & 0xc0) == 0x80) continue;  // a later byte of a character
    text += c >= ' ' && c <= '~' ? c : '?';
  }
  return text.size() > kLongest ? text.substr(0, kLongest - 2) + ".." : text;
}

int width_of(const std::string& text) {
  int below = 0;
  return cv::getTextSize(text, kFont, kTextSize, 1, &below).width;
}

int widest(const std::vector<std::string>& names) {
  int width = 0;
  for (const auto& name : names) width = std::max(width, width_of(printable(name)));
  return width;
}

// (x, y): the left end of the base line.
void write_text(cv::Mat& sheet, const std::string& text, int x, int y, const cv::Scalar& color) {
  cv::putText(sheet, text, {x, y}, kFont, kTextSize, color, 1, cv::LINE_AA);
}

// The places of a sheet of labelled images.
struct Grid {
  int scale, columns;
  int image_width, image_height;  // enlarged
  int cell_width, cell_height;
  int rows_of(size_t count) const { return (static_cast<int>(count) + columns - 1) / columns; }
  int height_of(size_t count) const { return 2 * kLine + rows_of(count) * cell_height; }
};

Grid grid_of(const std::vector<LabelledImages>& groups, const std::vector<std::string>& classes) {
  size_t most = 1;
  for (const auto& group : groups) most = std::max(most, group.labels.size());
  const auto rows = static_cast<int>(groups.at(0).images.size(1)),
             cols = static_cast<int>(groups.at(0).images.size(2));
  Grid grid{};
  grid.scale = std::max(1, (kSmallest + cols - 1) / cols);
  grid.image_width = grid.scale * cols;
  grid.image_height = grid.scale * rows;
  grid.cell_width = std::max(grid.image_width, widest(classes)) + 8;
  grid.cell_height = grid.image_height + 2 * kLine + 6;
  // About twice as wide as high.
  const double wanted =
      std::sqrt(2.0 * static_cast<double>(most) * grid.cell_height / grid.cell_width);
  grid.columns = std::clamp(static_cast<int>(std::lround(wanted)), 1, static_cast<int>(most));
  return grid;
}

void draw_image(cv::Mat& sheet, const Grid& grid, const LabelledImages& group, size_t i,
                const std::vector<std::string>& classes, int x, int y) {
  const auto rows = static_cast<int>(group.images.size(1)),
             cols = static_cast<int>(group.images.size(2));
  const cv::Mat image(
      rows, cols, CV_8UC3,
      group.images.data_ptr<uint8_t>() + static_cast<std::ptrdiff_t>(i) * rows * cols * 3);
  const cv::Rect place(x, y, grid.image_width, grid.image_height);
  cv::Mat target = sheet(place);
  cv::resize(image, target, target.size(), 0, 0, cv::INTER_NEAREST);
  const auto name = [&](int64_t label) {
    return printable(classes.at(static_cast<size_t>(label)));
  };
  const int line = y + grid.image_height + kLine - 2;
  write_text(sheet, name(group.labels[i]), x, line, kWhite);
  if (group.seen[i] == group.labels[i]) return;
  cv::rectangle(sheet, {x - 2, y - 2, grid.image_width + 4, grid.image_height + 4}, kRed, 2);
  write_text(sheet, name(group.seen[i]), x, line + kLine, kRed);
}

}  // namespace

void write_contact_sheet(const std::string& path, const Dataset& split, int64_t per_class) {
  const auto rows = static_cast<int>(split.images.size(1)),
             cols = static_cast<int>(split.images.size(2));
  const int names = widest(split.classes) + 4 * kGap;
  const int row_height = std::max(rows + kGap, kLine);
  cv::Mat sheet(row_height * static_cast<int>(split.num_classes()),
                names + (cols + kGap) * static_cast<int>(per_class), CV_8UC3, cv::Scalar::all(0));
  for (int k = 0; k < static_cast<int>(split.num_classes()); ++k) {
    write_text(sheet, printable(split.classes[static_cast<size_t>(k)]), kGap,
               k * row_height + (row_height + kLine) / 2 - 3, kWhite);
  }
  std::vector<int64_t> placed(split.classes.size());
  const auto* labels = split.labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < split.size(); ++i) {
    auto& column = placed[static_cast<size_t>(labels[i])];
    if (column == per_class) continue;
    const cv::Rect place(names + static_cast<int>(column++) * (cols + kGap),
                         static_cast<int>(labels[i]) * row_height, cols, rows);
    image_at(split, i).copyTo(sheet(place));
  }
  write_png(path, sheet);
}

void write_labelled_sheet(const std::string& path, const std::vector<LabelledImages>& groups,
                          const std::vector<std::string>& classes) {
  const Grid grid = grid_of(groups, classes);
  int height = 4, width = grid.columns * grid.cell_width + 8;
  for (const auto& group : groups) {
    height += grid.height_of(group.labels.size());
    width = std::max(width, width_of(group.title) + 16);
  }
  cv::Mat sheet(height, width, CV_8UC3, kGround);
  int top = 4;
  for (const auto& group : groups) {
    write_text(sheet, group.title, 8, top + kLine, kWhite);
    for (size_t i = 0; i < group.labels.size(); ++i) {
      const auto place = static_cast<int>(i);
      draw_image(sheet, grid, group, i, classes, 8 + place % grid.columns * grid.cell_width,
                 top + 2 * kLine + place / grid.columns * grid.cell_height);
    }
    top += grid.height_of(group.labels.size());
  }
  write_png(path, sheet);
}

}  // namespace unlazy::data
