// How a node of an exported graph is called: the dtypes of its arguments, and operators that are
// replaced by others of the same values.
#pragma once

#include "models/exported/program.h"

namespace unlazy::models {

/// Calls the node's operator on `stack`, which then holds its results.
///   dtypes  An exported graph has the dtypes of the network as exported (Float). In fp64 and bf16,
///           tensors that the graph makes itself are brought to the dtype of the activations where
///           they meet it. Normalisations of bf16 activations are computed in the dtype of their
///           scale, as models/norm.h does.
///   plain   With mode.plain_operators, operators that lack derivatives are taken apart: attention
///           into products and softmax; with 2, also batch_norm in evaluation, group_norm and
///           layer_norm.
void call_operator(const Node& node, std::vector<c10::IValue>& stack, const Mode& mode);

}  // namespace unlazy::models
