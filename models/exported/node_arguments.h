// Questions about the arguments and results of a node.
#pragma once

#include <optional>
#include <string>

#include "models/exported/program.h"

namespace unlazy::models {

/// Can results of earlier nodes be this argument of an operator? `is_tensor`: they are tensors, not
/// numbers.
bool fits(Fill::Kind kind, bool is_tensor, const c10::Argument& argument);
/// Throws Error when the node has more results than its operator, or others. A node whose operator
/// gives none then has none.
void check_results(Node& node);

/// The double of a constant argument; nothing when there is none of that name.
std::optional<double> constant_named(const Node& node, const std::string& name);
/// Is argument `name` the result of a node, or an input?
bool is_filled(const Node& node, const std::string& name);
/// Does a normalisation use the statistics of the batch, and change the running ones?
bool takes_statistics(const Node& node);

}  // namespace unlazy::models
