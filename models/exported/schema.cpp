#include "models/exported/schema.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace unlazy::models {

void check_schema(const nlohmann::json& program) {
  const auto& version = program.at("schema_version");
  const auto major = version.at("major").get<int64_t>();
  UNLAZY_CHECK(major == kSchemaMajor, "it has version ", major, ".",
               version.at("minor").get<int64_t>(), " of torch.export's schema (PyTorch ",
               program.value("torch_version", "of unknown version"), "); this unlazy reads ",
               kSchemaMajor, ".x: export it again with PyTorch 2.9 to 2.12");
}

int64_t whole_number(const nlohmann::json& value) {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
  UNLAZY_CHECK(fits, value.dump(), " is no whole number that fits");
  return value.get<int64_t>();
}

int64_t size_in(const nlohmann::json& value) {
  const int64_t size = whole_number(value);
  UNLAZY_CHECK(-kMaxElements <= size && size <= kMaxElements, "a size of ", size);
  return size;
}

c10::ScalarType scalar_type(int64_t number) {
  constexpr std::array kTypes = {
      c10::ScalarType::Undefined,   c10::ScalarType::Byte,         c10::ScalarType::Char,
      c10::ScalarType::Short,       c10::ScalarType::Int,          c10::ScalarType::Long,
      c10::ScalarType::Half,        c10::ScalarType::Float,        c10::ScalarType::Double,
      c10::ScalarType::ComplexHalf, c10::ScalarType::ComplexFloat, c10::ScalarType::ComplexDouble,
      c10::ScalarType::Bool,        c10::ScalarType::BFloat16};
  UNLAZY_CHECK(number > 0 && number < static_cast<int64_t>(kTypes.size()), "there is no dtype ",
               number, " here");
  return kTypes[static_cast<size_t>(number)];
}

c10::Layout layout(int64_t number) {
  UNLAZY_CHECK(number == 7, "layout ", number, ": only strided tensors are read");
  return c10::kStrided;
}

c10::MemoryFormat memory_format(int64_t number) {
  switch (number) {
    case 1:
      return c10::MemoryFormat::Contiguous;
    case 2:
      return c10::MemoryFormat::ChannelsLast;
    case 3:
      return c10::MemoryFormat::ChannelsLast3d;
    case 4:
      return c10::MemoryFormat::Preserve;
    default:
      throw Error("there is no memory format " + std::to_string(number));
  }
}

const std::string& kind_of(const nlohmann::json& argument) {
  UNLAZY_CHECK(argument.is_object() && argument.size() == 1,
               "an argument is not an object with one key");
  return argument.begin().key();
}

const nlohmann::json& value_of(const nlohmann::json& argument) {
  kind_of(argument);
  return argument.begin().value();
}

}  // namespace unlazy::models
