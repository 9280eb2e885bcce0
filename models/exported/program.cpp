#include "models/exported/program.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include "core/error.h"
#include "models/exported/chains.h"
#include "models/exported/operators.h"

namespace unlazy::models {
namespace {

using c10::IValue;
using Values = std::vector<IValue>;

int64_t number_of(const IValue& value) {
  return value.isBool() ? static_cast<int64_t>(value.toBool()) : value.toInt();
}

IValue filled(const Fill& fill, const Values& values) {
  const auto at = [&](size_t i) -> const IValue& {
    return fill.slots[i] == kNoSlot ? fill.constants[i]
                                    : values[static_cast<size_t>(fill.slots[i])];
  };
  switch (fill.kind) {
    case Fill::Kind::kValue:
      return at(0);
    case Fill::Kind::kTensors: {
      c10::List<at::Tensor> list;
      for (size_t i = 0; i < fill.slots.size(); ++i) list.push_back(at(i).toTensor());
      return list;
    }
    case Fill::Kind::kOptionalTensors: {
      c10::List<std::optional<at::Tensor>> list;
      for (size_t i = 0; i < fill.slots.size(); ++i)
        list.push_back(fill.slots[i] == kNoSlot ? std::nullopt
                                                : std::optional<at::Tensor>(at(i).toTensor()));
      return list;
    }
    case Fill::Kind::kNumbers: {
      c10::List<int64_t> list;
      for (size_t i = 0; i < fill.slots.size(); ++i) list.push_back(number_of(at(i)));
      return list;
    }
  }
  return {};
}

void put(Values& values, int64_t slot, IValue value) {
  if (slot != kNoSlot) values[static_cast<size_t>(slot)] = std::move(value);
}

void put_results(const Node& node, Values& stack, Values& values) {
  for (size_t i = 0; i < node.results.size(); ++i) {
    if (!node.is_list[i]) {
      put(values, node.results[i][0], std::move(stack[i]));
      continue;
    }
    const auto list = stack[i].toTensorVector();
    UNLAZY_CHECK(list.size() == node.results[i].size(), "it gave ", list.size(),
                 " tensors, the graph has ", node.results[i].size());
    for (size_t k = 0; k < list.size(); ++k) put(values, node.results[i][k], list[k]);
  }
}

}  // namespace

Values Program::arguments_of(const Node& node, const Values& values, const Mode& mode,
                             const std::vector<double>& momenta) const {
  Values stack = node.arguments;
  for (const auto& fill : node.fills) stack[fill.argument] = filled(fill, values);
  if (!mode.is_training) {
    for (const auto& [argument, value] : node.off) stack[argument] = value;
  }
  if (node.momentum >= 0 && !momenta.empty())
    stack[static_cast<size_t>(node.momentum)] = momenta.at(node.momentum_place);
  if (mode.device.type() != c10::kCPU) {
    for (const size_t argument : node.devices) stack[argument] = mode.device;
  }
  if (mode.dtype == c10::kDouble) {
    for (const size_t argument : node.dtypes)
      stack[argument] = static_cast<int64_t>(c10::ScalarType::Double);
  }
  return stack;
}

void Program::call(const Node& node, Values& values, const Mode& mode,
                   const std::vector<double>& momenta) const {
  if (node.changed_buffer != kNoSlot && !mode.changes_buffers)
    return put(values, node.results[0][0], values[static_cast<size_t>(node.changed_buffer)]);
  auto stack = arguments_of(node, values, mode, momenta);
  if (node.function != nullptr) return put(values, node.results[0][0], node.function(stack));
  call_operator(node, stack, mode);
  UNLAZY_CHECK(stack.size() >= node.results.size(), "it gave ", stack.size(),
               " results, the graph has ", node.results.size());
  put_results(node, stack, values);
}

void Program::run_chain(const Chain& chain, Values& values, const Mode& mode,
                        const std::vector<double>& momenta) const {
  if (mode.plain_operators == 0 && mode.dtype != c10::kDouble) {
    const auto& last = nodes_[chain.nodes.back()];
    const auto result =
        fused(arguments_of(nodes_[chain.nodes[0]], values, mode, momenta),
              chain.residual == kNoSlot ? at::Tensor()
                                        : values[static_cast<size_t>(chain.residual)].toTensor(),
              chain.relu);
    if (result.defined()) return put(values, last.results[0][0], result);
  }
  for (const size_t i : chain.nodes) call(nodes_[i], values, mode, momenta);
}

at::Tensor Program::run(Values values, const Mode& mode, const std::vector<double>& momenta) const {
  const std::string* where = nullptr;
  const auto fail = [&](const std::string& reason) {
    throw Error("exported network: " + (where == nullptr ? "" : *where + ": ") + reason);
  };
  // A functional graph computes new buffers. They are stored when it has run, and not where the
  // backward pass may want the old ones.
  std::vector<at::Tensor> stored;
  if (mode.changes_buffers) {
    for (const auto& [slot, buffer] : changed_) {
      auto& value = values[static_cast<size_t>(inputs_.states.at(buffer))];
      stored.push_back(value.toTensor());
      value = value.toTensor().detach().clone();
    }
  }
  try {
    for (const auto& node : nodes_) {
      where = &node.name;
      if (node.is_deferred) continue;
      if (node.chain >= 0) {
        run_chain(chains_[static_cast<size_t>(node.chain)], values, mode, momenta);
      } else {
        call(node, values, mode, momenta);
      }
      for (const int64_t slot : node.ended) values[static_cast<size_t>(slot)] = IValue();
    }
    where = nullptr;
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < stored.size(); ++i)
      stored[i].copy_(values[static_cast<size_t>(changed_[i].first)].toTensor().detach());
    return values[static_cast<size_t>(output_)].toTensor();
  } catch (const c10::Error& error) {
    fail(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    fail("not enough memory");
  } catch (const Error& error) {
    fail(error.what());
  }
  return {};
}

bool Program::is_switched_off() const { return has_switches_ && !has_switch_on_; }

}  // namespace unlazy::models
