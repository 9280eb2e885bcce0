// Many images of a split in one picture, for a person to look at.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.h"

namespace unlazy::data {

/// Writes a PNG with one row per class, in order, that shows its first `per_class` images. Places
/// stay black where a class has fewer.
void write_contact_sheet(const std::string& path, const Dataset& split, int64_t per_class);

}  // namespace unlazy::data
