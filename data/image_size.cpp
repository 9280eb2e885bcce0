#include "data/image_size.h"

#include <cstddef>

namespace unlazy::data {
namespace {

int64_t big_endian(std::string_view bytes, size_t begin, size_t count) {
  int64_t value = 0;
  for (size_t i = begin; i < begin + count; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// Signature, length and name of the first chunk, which is IHDR: width, height.
std::optional<ImageSize> png_size(std::string_view file) {
  if (file.size() < 24 || file.substr(12, 4) != "IHDR") return {};
  const ImageSize size{big_endian(file, 16, 4), big_endian(file, 20, 4), false};
  constexpr int64_t kMost = 0x7fffffff;  // of the format
  if (size.width > kMost || size.height > kMost) return {};
  return size;
}

// Segments: ff, marker, length (itself included), content. The size is in the start of the frame,
// c0 to cf but c4, c8 and cc: precision, height, width.
std::optional<ImageSize> jpeg_size(std::string_view file) {
  for (size_t i = 2; i + 9 <= file.size();) {
    const auto marker = static_cast<unsigned char>(file[i + 1]);
    const bool is_marker = static_cast<unsigned char>(file[i]) == 0xff;
    if (is_marker && (marker == 0xd9 || marker == 0xda)) return {};
    if (!is_marker || marker == 0xff) {  // stray bytes, over which decoders go too, and fill bytes
      ++i;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {  // without content
      i += 2;
      continue;
    }
    const bool is_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (is_frame) return ImageSize{big_endian(file, i + 7, 2), big_endian(file, i + 5, 2), true};
    i += 2 + static_cast<size_t>(big_endian(file, i + 2, 2));
  }
  return {};
}

}  // namespace

std::optional<ImageSize> image_size(std::string_view file) {
  if (file.starts_with("\x89PNG\r\n\x1a\n")) return png_size(file);
  if (file.starts_with("\xff\xd8")) return jpeg_size(file);
  return {};
}

}  // namespace unlazy::data
