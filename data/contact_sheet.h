// Many images of a split in one picture, to look at.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.h"

namespace unlazy::data {

/// Writes a PNG with one row a class, in order, and its first `per_class` images beside each other;
/// places stay black where a class has fewer.
void write_contact_sheet(const std::string& path, const Dataset& split, int64_t per_class);

}  // namespace unlazy::data
