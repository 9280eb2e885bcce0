// Which values of a graph lie in one memory: views of a tensor, and what operators in place return.
// The schemas of the operators say it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "models/exported/program.h"

namespace unlazy::models {

class SharedMemory {
 public:
  /// Call for each node in the order of the graph; `index`: its place there.
  void add(const Node& node, size_t index);
  /// The tensor whose memory `slot` lies in; `slot` itself for most.
  int64_t origin(int64_t slot) const;
  /// The argument that the node which made `slot` gave back, or made a view of; kNoSlot if `slot` has
  /// memory of its own.
  int64_t made_from(int64_t slot) const;

  /// Node `index` changes the values of `slot`.
  void write(int64_t slot, size_t index) { writes_.push_back({slot, index}); }
  /// Nodes that write to a tensor of which another form is read later that shares its memory in
  /// Python, but may be a copy here: training changes the order of memory (channels_last), and
  /// dtypes. `kept`: slots that are read at the end.
  std::vector<size_t> lost_writes(const std::vector<Node>& nodes,
                                  const std::vector<int64_t>& kept) const;

 private:
  struct Alias {
    int64_t of = kNoSlot;
    bool may_be_copy = false;
    size_t made = 0;  // by this node
  };
  struct Write {
    int64_t slot = kNoSlot;
    size_t node = 0;
  };
  bool sees(int64_t slot, const Write& write) const;

  std::map<int64_t, Alias> aliases_;
  std::vector<Write> writes_;
};

}  // namespace unlazy::models
