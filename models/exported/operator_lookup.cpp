#include "models/exported/operator_lookup.h"

#include <map>
#include <string_view>

namespace unlazy::models {
namespace {

// Operators of another name that give the same values: a view of memory in channels_last order may
// not exist, a reshape always does.
const std::map<std::string, std::string> kSame = {
    {"aten::view", "aten::reshape"},
    {"aten::_unsafe_view", "aten::reshape"},
    {"aten::_unsafe_index.Tensor", "aten::index.Tensor"}};

// Why an operator of ATen is not run, although it is there.
const std::map<std::string, std::string> kRefused = {
    {"aten::from_file", "it reads and makes files"},
    {"aten::as_strided", "its result depends on the order in memory, which training changes"},
    {"aten::as_strided_", "its result depends on the order in memory, which training changes"},
    {"aten::set_", "it replaces memory"},
    {"aten::resize_", "it replaces memory"}};

struct OperatorName {
  std::string name, overload;
  std::string text() const { return overload.empty() ? name : name + "." + overload; }
};

// "torch.ops.aten.add_.Tensor" -> aten::add_, Tensor; nothing for other targets.
std::optional<OperatorName> operator_name(const std::string& target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  if (!target.starts_with(kPrefix)) return {};
  const auto rest = target.substr(kPrefix.size());
  const auto first = rest.find('.'), last = rest.rfind('.');
  if (first == std::string::npos) return {};
  const auto name =
      rest.substr(0, first) +
      "::" + (first == last ? rest.substr(first + 1) : rest.substr(first + 1, last - first - 1));
  const auto overload = first == last ? std::string() : rest.substr(last + 1);
  return OperatorName{name, overload == "default" ? "" : overload};
}

}  // namespace

FoundOperator look_up(const std::string& target) {
  auto name = operator_name(target);
  if (!name) return {{}, target, "the operator " + target};
  const auto same = kSame.find(name->text());
  if (same != kSame.end()) name = operator_name("torch.ops.aten." + same->second.substr(6));
  FoundOperator found{{}, name->text(), {}};
  if (name->name.starts_with("higher_order::")) {
    found.problem = "control flow or another graph within the graph: " + found.name;
    return found;
  }
  const auto refused = kRefused.find(name->name);
  if (refused != kRefused.end()) {
    found.problem = "the operator " + found.name + ": " + refused->second;
    return found;
  }
  if (name->name.starts_with("aten::"))
    found.op = c10::Dispatcher::singleton().findSchema({name->name, name->overload});
  if (!found.op) found.problem = "the operator " + found.name + ": LibTorch has none of that name";
  return found;
}

}  // namespace unlazy::models
