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
  static const std::set<std::string> names = {"_reshape_alias",
"_unsafe_view",
"alias",
"as_strided",
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
// Of the operators that this thread is in: have they called one that does work?
thread_local std::vector<bool> calls;

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  calls.push_back(false);
  return nullptr;
}

void end(const at::RecordFunction& function, at::ObserverContext*) {
  if (calls.empty()) return;  // began before the count did
  const bool has_inner = calls.back();
  calls.pop_back();
  std::string name = function.name();
  if (const auto place = name.find("::"); place != std::string::npos) name = name.substr(place + 2);
  const bool does_work = !has_inner && idle_operators().count(name) == 0;
  if (does_work) ++count;
  if (!calls.empty() && (does_work || has_inner)) calls.back() = true;
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
