#include "models/exported/literals.h"

#include <ATen/ScalarOps.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "models/exported/schema.h"

namespace unlazy::models {
namespace {

using c10::IValue;
using Json = nlohmann::json;

at::Tensor number_tensor(const IValue& number) {
  auto tensor = c10::scalar_to_tensor(number.toScalar());
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

double float_of(const Json& value) {
  if (value.is_string()) {
    const auto& word = value.get_ref<const std::string&>();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (word == "Infinity") return kInfinity;
    if (word == "-Infinity") return -kInfinity;
    UNLAZY_CHECK(word == "NaN", "'", word, "' is no number");
    return std::numeric_limits<double>::quiet_NaN();
  }
  return value.get<double>();
}

template <class T>
c10::List<T> list_of(const Json& values) {
  c10::List<T> list;
  for (const auto& value : values.get_ref<const Json::array_t&>()) list.push_back(value.get<T>());
  return list;
}

// Not only sizes: slice(end=9223372036854775807) is an int, but a list holds sizes or places.
IValue sizes_of(const Json& value) {
  c10::List<int64_t> list;
  for (const auto& number : value.get_ref<const Json::array_t&>()) list.push_back(size_in(number));
  return list;
}

IValue floats_of(const Json& value) {
  c10::List<double> list;
  for (const auto& number : value) list.push_back(float_of(number));
  return list;
}

}  // namespace

c10::TypePtr plain_type(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional ? optional->getElementType() : type;
}
bool is_kind(const c10::TypePtr& type, c10::TypeKind kind) { return type->kind() == kind; }
bool is_list_of(const c10::TypePtr& type, c10::TypeKind kind) {
  const auto list = type->cast<c10::ListType>();
  return list && is_kind(plain_type(list->getElementType()), kind);
}

std::optional<IValue> literal_of(const std::string& kind, const Json& value) {
  if (kind == "as_none" || kind == "as_optional_tensor") return IValue();
  if (kind == "as_int") return whole_number(value);
  if (kind == "as_float") return float_of(value);
  if (kind == "as_bool") return value.get<bool>();
  if (kind == "as_string") return value.get<std::string>();
  if (kind == "as_ints") return sizes_of(value);
  if (kind == "as_floats") return floats_of(value);
  if (kind == "as_bools") return list_of<bool>(value);
  if (kind == "as_strings") return list_of<std::string>(value);
  if (kind == "as_sym_int") return whole_number(value.at("as_int"));
  if (kind == "as_sym_float") return float_of(value.at("as_float"));
  if (kind == "as_sym_bool") return value.at("as_bool").get<bool>();
  if (kind == "as_scalar_type") return static_cast<int64_t>(scalar_type(whole_number(value)));
  if (kind == "as_memory_format") return static_cast<int64_t>(memory_format(whole_number(value)));
  if (kind == "as_layout") return static_cast<int64_t>(layout(whole_number(value)));
  if (kind == "as_device") return c10::Device(c10::kCPU);
  return {};
}

IValue in_form(IValue value, const c10::Argument& argument) {
  const auto type = plain_type(argument.type());
  const bool is_number = value.isInt() || value.isDouble() || value.isBool();
  if (is_number && is_kind(type, c10::TypeKind::TensorType)) return number_tensor(value);
  if (value.isInt() && is_kind(type, c10::TypeKind::FloatType))
    return static_cast<double>(value.toInt());
  if (value.isInt() && is_list_of(type, c10::TypeKind::IntType))
    return c10::List<int64_t>(std::vector<int64_t>(
        static_cast<size_t>(std::clamp(argument.N().value_or(1), 1, 8)), value.toInt()));
  if (value.isIntList() && is_list_of(type, c10::TypeKind::FloatType)) {
    c10::List<double> list;
    for (const int64_t number : value.toIntVector()) list.push_back(static_cast<double>(number));
    return list;
  }
  return value;
}

bool fits(const IValue& value, const c10::Argument& argument) {
  if (value.isBool() && is_kind(plain_type(argument.type()), c10::TypeKind::NumberType))
    return true;
  if (value.isList() && value.toListRef().empty())
    return is_kind(plain_type(argument.type()), c10::TypeKind::ListType);
  return value.type()->isSubtypeOf(*argument.type());
}

}  // namespace unlazy::models
