// Finds the operator of a node's target, and says why there is none.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string>

namespace unlazy::models {

struct FoundOperator {
  std::optional<c10::OperatorHandle> op;
  std::string name;     // "aten::add_.Tensor"
  std::string problem;  // why it cannot be run; empty when it can
};

/// `target` as in the archive: "torch.ops.aten.add_.Tensor". Only ATen's own operators are run, but
/// for a few that reach for files or memory, or whose result depends on the order in memory.
FoundOperator look_up(const std::string& target);

}  // namespace unlazy::models
