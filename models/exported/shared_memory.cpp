#include "models/exported/shared_memory.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace unlazy::models {
namespace {

// Results of these share the memory of their argument in Python, or are copies, as the order of the
// memory has it. Training changes that order (channels_last) and dtypes.
bool may_be_copy(const std::string& target) {
  static const std::set<std::string> names = {
      "aten::reshape",    "aten::reshape_as", "aten::ravel",     "aten::flatten.using_ints",
      "aten::contiguous", "aten::to.dtype",   "aten::to.device", "aten::to.dtype_layout",
      "aten::to.other",   "aten::type_as"};
  return names.count(target) > 0;
}

// Results of these may be their first argument, or views of it, which the schema does not say:
// dropout in evaluation, for one.
bool may_be_its_argument(const std::string& name) {
  static const std::set<std::string> names = {"aten::type_as",
                                              "aten::dropout",
                                              "aten::feature_dropout",
                                              "aten::alpha_dropout",
                                              "aten::feature_alpha_dropout",
                                              "aten::atleast_1d",
                                              "aten::atleast_2d",
                                              "aten::atleast_3d",
                                              "aten::broadcast_tensors",
                                              "aten::meshgrid",
                                              "aten::sum_to_size"};
  return names.count(name) > 0;
}

// The sets of aliases that a schema names for an argument or a result, also of a list's entries.
std::set<c10::Symbol> alias_sets(const c10::AliasInfo* alias) {
  if (alias == nullptr) return {};
  std::set<c10::Symbol> sets(alias->beforeSets().begin(), alias->beforeSets().end());
  for (const auto& inner : alias->containedTypes()) sets.merge(alias_sets(&inner));
  return sets;
}

bool share_one(const std::set<c10::Symbol>& a, const std::set<c10::Symbol>& b) {
  return std::any_of(a.begin(), a.end(), [&](const c10::Symbol& set) { return b.count(set) > 0; });
}

}  // namespace

void SharedMemory::add(const Node& node, size_t index) {
  const auto& schema = node.op->schema();
  for (size_t i = 0; i < node.results.size(); ++i) {
    const auto sets = alias_sets(schema.returns()[i].alias_info());
    for (const auto& fill : node.fills) {
      const bool is_said =
          share_one(sets, alias_sets(schema.arguments()[fill.argument].alias_info()));
      if (fill.slots.empty() || fill.slots[0] == kNoSlot ||
          !(is_said || (fill.argument == 0 && may_be_its_argument(schema.name()))))
        continue;
      for (size_t k = 0; k < node.results[i].size(); ++k) {
        // Of a list of tensors, each result belongs to its own.
        const int64_t of = fill.slots[std::min(k, fill.slots.size() - 1)];
        if (node.results[i][k] != kNoSlot && of != kNoSlot)
          aliases_[node.results[i][k]] = {of, may_be_copy(node.target), index};
      }
      break;
    }
  }
}

int64_t SharedMemory::made_from(int64_t slot) const {
  const auto found = aliases_.find(slot);
  return found == aliases_.end() ? kNoSlot : found->second.of;
}

int64_t SharedMemory::origin(int64_t slot) const {
  for (int64_t of = made_from(slot); of != kNoSlot; of = made_from(slot)) slot = of;
  return slot;
}

std::vector<size_t> SharedMemory::lost_writes(const std::vector<Node>& nodes,
                                              const std::vector<int64_t>& kept) const {
  std::set<int64_t> written;  // origins
  for (const auto& write : writes_) written.insert(origin(write.slot));
  std::map<int64_t, std::vector<std::pair<size_t, int64_t>>> readings;  // by origin: node, slot
  const auto read = [&](size_t node, int64_t slot) {
    if (slot != kNoSlot && written.count(origin(slot)) > 0)
      readings[origin(slot)].emplace_back(node, slot);
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& fill : nodes[i].fills) {
      for (const int64_t slot : fill.slots) read(i, slot);
    }
  }
  for (const int64_t slot : kept) read(nodes.size(), slot);
  std::vector<size_t> lost;
  for (const auto& write : writes_) {
    const auto& list = readings[origin(write.slot)];
    if (std::any_of(list.begin(), list.end(), [&](const auto& reading) {
          return reading.first > write.node && !sees(reading.second, write);
        }))
      lost.push_back(write.node);
  }
  return lost;
}

// Does `slot`, read after the write, hold what was written, whatever is a copy? Both lie in one
// memory in Python.
bool SharedMemory::sees(int64_t slot, const Write& write) const {
  std::set<int64_t> above;  // `slot` and what it was made from
  for (int64_t at = slot; at != kNoSlot; at = made_from(at)) above.insert(at);
  int64_t common = write.slot;
  while (above.count(common) == 0) {  // they have their origin in common
    const auto& alias = aliases_.at(common);
    if (alias.may_be_copy) return false;
    common = alias.of;
  }
  for (int64_t at = slot; at != common; at = aliases_.at(at).of) {
    if (aliases_.at(at).may_be_copy && aliases_.at(at).made < write.node) return false;
  }
  return true;
}

}  // namespace unlazy::models
