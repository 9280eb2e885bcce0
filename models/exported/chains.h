// Chains of batch_norm, residual sum and ReLU in an exported graph, which the fused kernel does at
// once (models/fused_norm.h).
#pragma once

#include <functional>

#include "models/exported/program.h"

namespace unlazy::models {

/// Finds the chains, and marks their nodes. A chain is taken only where nothing can tell the
/// difference: each value inside it has one reader. `kept`: slots that are read at the end;
/// `origin`: the tensor whose memory a slot lies in.
std::vector<Chain> find_chains(std::vector<Node>& nodes, size_t num_slots,
                               const std::vector<int64_t>& kept,
                               const std::function<int64_t(int64_t)>& origin);

/// Marks in each node the slots that nothing uses after it (Node::ended). `kept` as above.
void find_last_uses(std::vector<Node>& nodes, const std::vector<Chain>& chains, size_t num_slots,
                    const std::vector<int64_t>& kept);

/// relu(batch_norm(..) + residual) of the arguments of aten::batch_norm; undefined where the fused
/// kernel does not serve them.
at::Tensor fused(const std::vector<c10::IValue>& arguments, const at::Tensor& residual, bool relu);

}  // namespace unlazy::models
