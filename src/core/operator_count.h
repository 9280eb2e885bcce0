// How many operators of LibTorch a piece of work runs: on a GPU each is at least one kernel, so
// this is what can be counted without one.
#pragma once

#include <cstdint>
#include <functional>

namespace unlazy {

/// The operators that `work` runs on all threads and that read or write elements: the innermost
/// calls, without views, allocations, and other changes of a tensor's header. An operator on a list
/// of tensors (_foreach_*) counts as one. Our own kernels are
/// not operators and are not counted.
int64_t operators_of(const std::function<void()>& work);

}  // namespace unlazy
