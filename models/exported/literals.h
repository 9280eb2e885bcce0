// Constant arguments of an exported graph: from torch.export's JSON to LibTorch's values.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace unlazy::models {

/// The value of an argument of the kind "as_int", "as_floats", "as_scalar_type", ..; nothing for a
/// kind that is not known. Devices become the CPU. Throws Error for a size that no network has.
std::optional<c10::IValue> literal_of(const std::string& kind, const nlohmann::json& value);

/// A constant in the form that the operator's argument has: a number as a tensor, one number for a
/// list of two.
c10::IValue in_form(c10::IValue value, const c10::Argument& argument);

/// Is the constant of the argument's type?
bool fits(const c10::IValue& value, const c10::Argument& argument);

/// Type of an argument: inside its "may be None".
c10::TypePtr plain_type(const c10::TypePtr& type);
bool is_kind(const c10::TypePtr& type, c10::TypeKind kind);
bool is_list_of(const c10::TypePtr& type, c10::TypeKind kind);

}  // namespace unlazy::models
