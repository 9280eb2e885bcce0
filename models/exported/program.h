// An exported graph, ready to run. Each node is one operator of ATen, looked up once, with a
// template of its arguments; running a node copies the template, fills in the values that earlier
// nodes left, and calls the operator through LibTorch's dispatcher, so that autograd, forward
// derivatives and CUDA work as they do for a network written in C++. Values lie in numbered slots;
// a slot is emptied after its last use.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/exported/numbers.h"

namespace unlazy::models {

constexpr int64_t kNoSlot = -1;

/// An argument that is, or holds, results of earlier nodes.
struct Fill {
  enum class Kind { kValue, kTensors, kOptionalTensors, kNumbers };
  size_t argument = 0;
  Kind kind = Kind::kValue;
  std::vector<int64_t> slots;          // kValue: one; kNoSlot: the constant of that place
  std::vector<c10::IValue> constants;  // kNumbers: as many as slots
};

/// The part of a node that depends on the mode of the network.
struct Mode {
  /// In evaluation with the graph of training: switches such as batch_norm's `training` are off,
  /// and buffers keep their values.
  bool is_training = true;
  /// Do running statistics and counters change?
  bool changes_buffers = true;
  /// Of the images: the dtype that float activations have (Float, Double or BFloat16).
  c10::ScalarType dtype = c10::kFloat;
  c10::Device device = c10::kCPU;
  /// Operators with more derivatives, as PlainOperators wants them (models/norm.h): 0, 1 or 2.
  int plain_operators = 0;
};

struct Node {
  std::string name;    // "layer1.0.conv1: conv2d_3", for messages
  std::string target;  // "aten::conv2d"
  std::optional<c10::OperatorHandle> op;
  NumberFunction function = nullptr;  // instead of op
  std::vector<c10::IValue> arguments;
  std::vector<Fill> fills;
  std::vector<std::vector<int64_t>> results;  // a return value's slot, or slots of its list
  std::vector<bool> is_list;                  // for each of them
  std::vector<int64_t> ended;                 // slots that nothing uses later

  // What a mode changes.
  std::map<size_t, c10::IValue> off;  // arguments that are other ones in evaluation
  std::vector<size_t> dtypes;         // arguments that say Float
  std::vector<size_t> devices;        // arguments that say where a tensor is made
  int64_t momentum = -1;              // argument, of batch_norm's kind
  size_t momentum_place = 0;          // in Program::momenta()
  int64_t changed_buffer = kNoSlot;   // the node is there only to write to this slot, which is a
                                      // buffer or lies in its memory
  bool is_norm = false;               // keeps the precision of its scale
  int64_t chain = -1;                 // index in Program's chains: the node ends it
  bool is_deferred = false;           // it is run with the node that ends its chain
};

/// batch_norm (+ residual) (-> ReLU), which the fused kernel does at once (models/fused_norm.h)
/// where it can; otherwise the nodes run one after the other. The same values but for rounding.
struct Chain {
  std::vector<size_t> nodes;   // the norm; the sum, if there is one; the ReLU, if there is one
  int64_t residual = kNoSlot;  // slot that is added
  bool relu = false;
};

/// What the graph wants from outside, and where it is put.
struct Inputs {
  std::map<std::string, int64_t> states;     // parameters and buffers by Python name -> slot
  std::map<std::string, int64_t> constants;  // the same for constants
  std::vector<std::pair<int64_t, c10::IValue>> literals;  // inputs that export fixed
  int64_t images = kNoSlot;
  std::vector<int64_t> shape;  // of the images as exported; -1 where any size goes
  int64_t max_batch = 0;       // that the graph was exported for; 0: any
};

class Program {
 public:
  /// Reads a graph. What cannot be run is collected in problems(), one line each, and nothing is
  /// thrown for it; a graph that contradicts itself (a value that nobody makes, a name made twice)
  /// throws Error. `is_evaluation`: the graph serves evaluation only, so that nothing in it is
  /// switched.
  Program(const nlohmann::json& program, bool is_evaluation);

  /// Runs the graph. `values`: one for each slot, of which the inputs are filled. `momentum`: in
  /// place of each batch_norm's own, in their order; empty: their own. Returns the first output.
  /// Throws Error naming the node when an operator fails.
  at::Tensor run(std::vector<c10::IValue> values, const Mode& mode,
                 const std::vector<double>& momenta) const;

  const Inputs& inputs() const { return inputs_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  size_t num_slots() const { return num_slots_; }
  const std::vector<std::string>& problems() const { return problems_; }
  /// Number of the graph's results. The first is taken for the logits; others are not used.
  size_t num_outputs() const { return num_outputs_; }
  /// Of the nodes that normalise with running statistics, in their order.
  const std::vector<double>& momenta() const { return momenta_; }
  bool is_random() const { return is_random_; }
  /// Names of the nodes that draw random numbers without a switch that would turn them off.
  const std::vector<std::string>& always_random() const { return always_random_; }
  /// Was the graph made in evaluation mode? Then it has switches, and all of them are off.
  bool is_switched_off() const;

 private:
  friend class ProgramReader;
  void call(const Node& node, std::vector<c10::IValue>& values, const Mode& mode,
            const std::vector<double>& momenta) const;
  std::vector<c10::IValue> arguments_of(const Node& node, const std::vector<c10::IValue>& values,
                                        const Mode& mode, const std::vector<double>& momenta) const;
  void run_chain(const Chain& chain, std::vector<c10::IValue>& values, const Mode& mode,
                 const std::vector<double>& momenta) const;

  Inputs inputs_;
  std::vector<Node> nodes_;
  std::vector<Chain> chains_;
  std::vector<std::pair<int64_t, std::string>> changed_;  // slot -> buffer, in a functional graph
  std::vector<std::string> problems_;
  std::vector<double> momenta_;
  size_t num_slots_ = 0, num_outputs_ = 0;
  int64_t output_ = kNoSlot;
  std::vector<std::string> always_random_;
  bool has_switches_ = false, has_switch_on_ = false, is_random_ = false;
};

/// Names of the operators that normalise: their scale and shift stay in the precision of the master
/// weights.
bool is_norm(const std::string& target);

}  // namespace unlazy::models
