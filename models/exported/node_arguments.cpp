#include "models/exported/node_arguments.h"

#include <ATen/core/jit_type.h>

#include <algorithm>

#include "core/error.h"
#include "models/exported/literals.h"

namespace unlazy::models {

bool fits(Fill::Kind kind, bool is_tensor, const c10::Argument& argument) {
  const auto type = plain_type(argument.type());
  switch (kind) {
    case Fill::Kind::kValue:
      if (is_tensor) return is_kind(type, c10::TypeKind::TensorType);
      return is_kind(type, c10::TypeKind::IntType) || is_kind(type, c10::TypeKind::NumberType) ||
             is_kind(type, c10::TypeKind::FloatType) || is_kind(type, c10::TypeKind::BoolType);
    case Fill::Kind::kNumbers:
      return is_list_of(type, c10::TypeKind::IntType);
    default:
      return is_list_of(type, c10::TypeKind::TensorType);
  }
}

void check_results(Node& node) {
  if (node.function != nullptr) {
    UNLAZY_CHECK(node.results.size() == 1 && !node.is_list[0], node.name,
                 ": has more than one result");
    return;
  }
  const auto& returns = node.op->schema().returns();
  if (returns.empty()) {  // such as aten::_assert_scalar
    node.results.clear();
    node.is_list.clear();
  }
  UNLAZY_CHECK(node.results.size() <= returns.size(), node.name, ": has ", node.results.size(),
               " results, its operator gives ", returns.size());
  for (size_t i = 0; i < node.results.size(); ++i) {
    const bool is_list = returns[i].type()->kind() == c10::TypeKind::ListType;
    UNLAZY_CHECK(is_list == node.is_list[i], node.name, ": its results are of another kind");
  }
}

std::optional<double> constant_named(const Node& node, const std::string& name) {
  const auto index = node.op->schema().argumentIndexWithName(name);
  if (!index) return {};
  const auto& value = node.arguments[static_cast<size_t>(*index)];
  if (value.isBool()) return value.toBool();
  if (value.isDouble()) return value.toDouble();
  return {};
}

bool is_filled(const Node& node, const std::string& name) {
  const auto index = node.op->schema().argumentIndexWithName(name);
  return index && std::any_of(node.fills.begin(), node.fills.end(), [&](const Fill& fill) {
           return fill.argument == static_cast<size_t>(*index);
         });
}

bool takes_statistics(const Node& node) {
  for (const char* name : {"training", "use_input_stats"}) {
    if (constant_named(node, name).value_or(0) != 0) return true;
  }
  return false;
}

}  // namespace unlazy::models
