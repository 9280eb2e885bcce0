// Images in class folders, DIR/train/CLASS/*.png and DIR/test/CLASS/*.png (or .jpg, .jpeg), decoded
// with OpenCV on all cores. Classes are the names of the folders, in order. Hidden files and files
// of other kinds are ignored. Images become 8 bit RGB: grey is expanded, transparency is dropped,
// deeper colours are scaled, and a camera's orientation is applied. A file that does not decode
// completely is an error.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.h"

namespace unlazy::data {

/// Reads both splits of options.dir, class after class. All images must have one size, unless
/// options.resize > 0 scales each to resize x resize (area averaging when shrinking, else bilinear;
/// proportions are not kept). An image of more than options.max_megapixels is refused by its
/// header, before any memory is taken for it. Throws Error naming the file or the two files that do
/// not fit.
RawSplits read_image_folder(const DataOptions& options);

/// Reads a folder that has no splits: DIR/CLASS/*.png.
Dataset read_class_folders(const DataOptions& options);

/// Does `dir` hold train/ and test/ (rather than class folders)?
bool has_split_folders(const std::string& dir);

/// Writes DIR/CLASS/00000.png, 00001.png, ..., numbered within each class in the order of the
/// split, on all cores. Throws Error for a class name that cannot be a folder name.
void write_class_folders(const std::string& dir, const Dataset& split);

}  // namespace unlazy::data
