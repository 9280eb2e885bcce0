// The words of torch.export's schema (torch/_export/serde/schema.py), as they stand in an archive.
#pragma once

#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace unlazy::models {

/// The version of the schema that is read: major 8, which PyTorch 2.9 to 2.12 write. Minor versions
/// add kinds of arguments; one that is not known is refused where it stands.
inline constexpr int64_t kSchemaMajor = 8;

/// Throws Error naming the version and what wrote it when it is another one.
void check_schema(const nlohmann::json& program);

/// From the schema's own numbers. Throws Error for one that it does not have, or that no tensor of
/// an ordinary network has (sparse layouts, 8-bit floats).
c10::ScalarType scalar_type(int64_t number);
c10::Layout layout(int64_t number);
c10::MemoryFormat memory_format(int64_t number);

/// The most elements of a value, an image of the batch each, and the largest size: more than any
/// network for images has.
inline constexpr int64_t kMaxElements = int64_t{1} << 32;

/// A whole number; throws Error for another kind of value, a fraction, or one that does not fit.
int64_t whole_number(const nlohmann::json& value);
/// The same for the size of a tensor, a stride or a place in one.
int64_t size_in(const nlohmann::json& value);

/// The kind of a union such as {"as_int": 3}, and its value. Throws Error when it is none.
const std::string& kind_of(const nlohmann::json& argument);
const nlohmann::json& value_of(const nlohmann::json& argument);

}  // namespace unlazy::models
