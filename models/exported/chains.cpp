#include "models/exported/chains.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>

#include "models/fused_norm.h"

namespace unlazy::models {
namespace {

// Who makes and who reads each value.
struct Readers {
  std::vector<int64_t> maker;   // node, or -1
  std::vector<int64_t> reader;  // the last one, or -1
  std::vector<int64_t> count;   // of readings
};

Readers readers_of(const std::vector<Node>& nodes, size_t num_slots,
                   const std::vector<int64_t>& kept) {
  Readers r{std::vector<int64_t>(num_slots, -1), std::vector<int64_t>(num_slots, -1),
            std::vector<int64_t>(num_slots, 0)};
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& fill : nodes[i].fills) {
      for (const int64_t slot : fill.slots) {
        if (slot == kNoSlot) continue;
        r.reader[static_cast<size_t>(slot)] = static_cast<int64_t>(i);
        ++r.count[static_cast<size_t>(slot)];
      }
    }
    for (const auto& slots : nodes[i].results) {
      for (const int64_t slot : slots) {
        if (slot != kNoSlot) r.maker[static_cast<size_t>(slot)] = static_cast<int64_t>(i);
      }
    }
  }
  for (const int64_t slot : kept) r.count[static_cast<size_t>(slot)] += 2;
  return r;
}

// The slot that fills an argument; none for a constant.
int64_t slot_at(const Node& node, size_t argument) {
  for (const auto& fill : node.fills) {
    if (fill.argument == argument && fill.kind == Fill::Kind::kValue) return fill.slots[0];
  }
  return kNoSlot;
}

int64_t result_of(const Node& node) {
  return node.results.size() == 1 && !node.is_list[0] ? node.results[0][0] : kNoSlot;
}

// Its input comes straight from a convolution and is read by nobody else, and it has all tensors.
bool is_fusible_norm(const std::vector<Node>& nodes, const Node& node, const Readers& r) {
  if (node.target != "aten::batch_norm" || node.chain >= 0 || node.is_deferred) return false;
  for (size_t argument = 0; argument < 5; ++argument) {
    if (slot_at(node, argument) == kNoSlot) return false;
  }
  const auto x = static_cast<size_t>(slot_at(node, 0));
  if (r.count[x] != 1 || r.maker[x] < 0) return false;
  const auto& maker = nodes[static_cast<size_t>(r.maker[x])].target;
  return maker == "aten::conv2d" || maker == "aten::conv2d.padding" || maker == "aten::convolution";
}

bool is_relu(const Node& node) {
  return node.target == "aten::relu" || node.target == "aten::relu_";
}

// a + b, or a += b where `a` is `slot`; without a factor.
bool is_sum_with(const Node& node, int64_t slot) {
  if (node.target != "aten::add.Tensor" && node.target != "aten::add_.Tensor") return false;
  const auto a = slot_at(node, 0), b = slot_at(node, 1);
  if (a == kNoSlot || b == kNoSlot || a == b) return false;
  if (node.target == "aten::add_.Tensor" && a != slot) return false;
  return node.arguments[2].isInt() && node.arguments[2].toInt() == 1;
}

// The norm runs where the chain ends. Does a node between them read or change its scale, shift or
// statistics, as where a layer is used twice?
bool uses_its_tensors_between(const std::vector<Node>& nodes, const Chain& chain,
                              const std::function<int64_t(int64_t)>& origin) {
  std::set<int64_t> tensors;
  for (size_t argument = 1; argument < 5; ++argument)
    tensors.insert(origin(slot_at(nodes[chain.nodes.front()], argument)));
  for (size_t i = chain.nodes.front() + 1; i < chain.nodes.back(); ++i) {
    for (const auto& fill : nodes[i].fills) {
      for (const int64_t slot : fill.slots) {
        if (slot != kNoSlot && tensors.count(origin(slot)) > 0) return true;
      }
    }
  }
  return false;
}

}  // namespace

std::vector<Chain> find_chains(std::vector<Node>& nodes, size_t num_slots,
                               const std::vector<int64_t>& kept,
                               const std::function<int64_t(int64_t)>& origin) {
  const auto r = readers_of(nodes, num_slots, kept);
  // The one node that reads a slot; -1 when there are more or none, or it is in a chain.
  const auto only_reader = [&](int64_t slot) -> int64_t {
    if (slot == kNoSlot || r.count[static_cast<size_t>(slot)] != 1) return -1;
    const int64_t reader = r.reader[static_cast<size_t>(slot)];
    const auto& node = nodes[static_cast<size_t>(reader)];
    return node.chain >= 0 || node.is_deferred ? -1 : reader;
  };
  std::vector<Chain> chains;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!is_fusible_norm(nodes, nodes[i], r)) continue;
    Chain chain{{i}, kNoSlot, false};
    const int64_t slot = result_of(nodes[i]);
    if (slot == kNoSlot) continue;
    const int64_t next = only_reader(slot);
    if (next >= 0 && is_relu(nodes[static_cast<size_t>(next)])) {
      chain.nodes.push_back(static_cast<size_t>(next));
      chain.relu = true;
    } else if (next >= 0 && is_sum_with(nodes[static_cast<size_t>(next)], slot)) {
      const auto& sum = nodes[static_cast<size_t>(next)];
      const int64_t last = only_reader(result_of(sum));
      // Right after the sum: nothing comes between that could change the residual.
      if (last == next + 1 && is_relu(nodes[static_cast<size_t>(last)])) {
        chain.nodes.push_back(static_cast<size_t>(next));
        chain.nodes.push_back(static_cast<size_t>(last));
        chain.residual = slot_at(sum, 0) == slot ? slot_at(sum, 1) : slot_at(sum, 0);
        chain.relu = true;
      }
    }
    if (uses_its_tensors_between(nodes, chain, origin)) continue;
    for (const size_t k : chain.nodes) nodes[k].is_deferred = k != chain.nodes.back();
    nodes[chain.nodes.back()].chain = static_cast<int64_t>(chains.size());
    chains.push_back(chain);
  }
  return chains;
}

void find_last_uses(std::vector<Node>& nodes, const std::vector<Chain>& chains, size_t num_slots,
                    const std::vector<int64_t>& kept) {
  constexpr int64_t kUnused = -1;
  std::vector<int64_t> last(num_slots, kUnused);
  const auto use_all = [&](const Node& node, size_t when) {
    const auto use = [&](int64_t slot) {
      if (slot != kNoSlot) last[static_cast<size_t>(slot)] = static_cast<int64_t>(when);
    };
    for (const auto& fill : node.fills) std::for_each(fill.slots.begin(), fill.slots.end(), use);
    for (const auto& slots : node.results) std::for_each(slots.begin(), slots.end(), use);
    use(node.changed_buffer);
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].is_deferred) continue;
    use_all(nodes[i], i);
    if (nodes[i].chain < 0) continue;
    for (const size_t k : chains[static_cast<size_t>(nodes[i].chain)].nodes) use_all(nodes[k], i);
  }
  for (const int64_t slot : kept) last[static_cast<size_t>(slot)] = kUnused;
  for (size_t slot = 0; slot < last.size(); ++slot) {
    if (last[slot] != kUnused)
      nodes[static_cast<size_t>(last[slot])].ended.push_back(static_cast<int64_t>(slot));
  }
}

// batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn)
at::Tensor fused(const std::vector<c10::IValue>& arguments, const at::Tensor& residual, bool relu) {
  const auto& x = arguments[0].toTensor();
  // The graph counts the batches itself.
  const BatchNormTensors norm{arguments[1].toTensor(),
                              arguments[2].toTensor(),
                              arguments[3].toTensor(),
                              arguments[4].toTensor(),
                              {},
                              arguments[6].toDouble(),
                              arguments[7].toDouble()};
  const bool is_training = arguments[5].toBool();
  // One pixel an image lies in both orders; there, and where no layer is in channels_last, the
  // numbers are Python's to the last bit.
  if (x.is_contiguous()) return {};
  if ((!is_training && at::GradMode::is_enabled()) || !can_fuse(x, residual, norm)) return {};
  if (!is_training) return fused_batch_norm_eval(x, residual, norm, relu);
  return fused_batch_norm_train(x, residual, norm, relu);
}

}  // namespace unlazy::models
