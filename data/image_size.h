// The size of an image from the header of its file, before any memory is taken for its pixels.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace unlazy::data {

struct ImageSize {
  int64_t width = 0;
  int64_t height = 0;
  bool is_jpeg = false;  // else PNG
};

/// From the first bytes of a PNG or JPEG file, or from all of them: a JPEG file may have long
/// comments before its size. Nothing when it is neither, or ends before its size.
std::optional<ImageSize> image_size(std::string_view file);

}  // namespace unlazy::data
