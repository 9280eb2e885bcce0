// Many images in one picture, for a person to look at.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace unlazy::data {

/// Writes a PNG with one row per class, in order, that begins with the name of the class and shows
/// its first `per_class` images. Places stay black where a class has fewer.
void write_contact_sheet(const std::string& path, const Dataset& split, int64_t per_class);

/// A group of images with their labels under a line of text.
struct LabelledImages {
  std::string title;
  at::Tensor images;                  // [B, H, W, 3] uint8, RGB, contiguous
  std::vector<int64_t> labels, seen;  // [B] true classes, and those that training sees
};

/// Writes a PNG with all groups, each image above the name of its class. Where training sees
/// another class, the image has a red frame and both names: the true one, and in red the other.
void write_labelled_sheet(const std::string& path, const std::vector<LabelledImages>& groups,
                          const std::vector<std::string>& classes);

}  // namespace unlazy::data
