#include "core/operator_count.h"

#include <ATen/record_function.h>

#include <atomic>
#include <set>
#include <string>
#include <vector>

namespace unlazy {
namespace {

// Operators that do no work of their own.
const std::set<std::string>& idle_operators() {
  static const std::set<std::string> names = {"_has_compatible_shallow_copy_type",
                                              "_reshape_alias",
                                              "_unsafe_view",
                                              "alias",
                                              "as_strided",
                                              "as_strided_",
                                              "chunk",
                                              "contiguous",
                                              "detach",
                                              "detach_",
                                              "empty",
                                              "empty_like",
                                              "empty_strided",
                                              "expand",
                                              "flatten",
                                              "lift_fresh",
                                              "narrow",
                                              "new_empty",
                                              "new_empty_strided",
                                              "permute",
                                              "reshape",
                                              "resize_",
                                              "resolve_conj",
                                              "resolve_neg",
                                              "result_type",
                                              "select",
                                              "set_",
                                              "set_data",
                                              "slice",
                                              "split",
                                              "squeeze",
                                              "t",
                                              "to",
                                              "transpose",
                                              "type_as",
                                              "unbind",
                                              "unfold",
                                              "unsqueeze",
                                              "view",
                                              "view_as"};
  return names;
}

std::atomic<int64_t> count = 0;
// Of the operators that this thread is in: how many that do work have they called?
thread_local std::vector<int64_t> calls;

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  calls.push_back(0);
  return nullptr;
}

void end(const at::RecordFunction& function, at::ObserverContext*) {
  if (calls.empty()) return;  // began before the count did
  const int64_t inner = calls.back();
  calls.pop_back();
  std::string name = function.name();
  if (name.starts_with("aten::")) name = name.substr(6);
  // On the CPU these are a loop of operators, one for each tensor; on a GPU they are one kernel.
  const bool is_list = name.starts_with("_foreach_");
  if (is_list) count -= inner;
  const bool is_idle = idle_operators().count(name) > 0 || name.starts_with("autograd::");
  const bool does_work = (is_list || inner == 0) && !is_idle;
  if (does_work) ++count;
  if (!calls.empty()) calls.back() += does_work ? 1 : inner;
}

}  // namespace

int64_t operators_of(const std::function<void()>& work) {
  count = 0;
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));
  try {
    work();
  } catch (...) {
    at::removeCallback(handle);
    throw;
  }
  at::removeCallback(handle);
  return count;
}

}  // namespace unlazy
