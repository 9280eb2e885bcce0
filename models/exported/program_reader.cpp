// From torch.export's JSON to a Program: names become slots, targets become operators, arguments
// become a template. Everything is checked here that can be checked before the first run.
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "core/error.h"
#include "models/exported/chains.h"
#include "models/exported/literals.h"
#include "models/exported/node_arguments.h"
#include "models/exported/operator_lookup.h"
#include "models/exported/operators.h"
#include "models/exported/program.h"
#include "models/exported/schema.h"
#include "models/exported/shared_memory.h"

namespace unlazy::models {
namespace {

using c10::IValue;
using Json = nlohmann::json;

constexpr size_t kMostProblems = 20;  // that are told

}  // namespace

class ProgramReader {
 public:
  ProgramReader(Program& program, bool is_evaluation)
      : program_(program), is_evaluation_(is_evaluation) {}

  void read(const Json& json) {
    const auto& module = json.at("graph_module");
    const auto& graph = module.at("graph");
    check_sizes(graph.at("tensor_values"));
    for (const auto& spec : module.at("signature").at("input_specs")) input(spec);
    if (program_.inputs_.images != kNoSlot) images(graph.at("tensor_values"), json);
    for (const auto& item : graph.at("nodes")) node(item);
    for (const auto& spec : module.at("signature").at("output_specs")) output(spec);
    UNLAZY_CHECK(program_.inputs_.images != kNoSlot || !program_.problems_.empty(),
                 "the network has no input");
    UNLAZY_CHECK(program_.output_ != kNoSlot || !program_.problems_.empty(),
                 "the network has no output");
    program_.num_slots_ = static_cast<size_t>(num_slots_);
    check_writes();
    program_.chains_ = find_chains(program_.nodes_, program_.num_slots_, slots_kept(),
                                   [&](int64_t slot) { return memory_.origin(slot); });
    find_last_uses(program_.nodes_, program_.chains_, program_.num_slots_, slots_kept());
  }

 private:
  void problem(const std::string& text) {
    auto& list = program_.problems_;
    if (list.size() > kMostProblems || !known_problems_.insert(text).second) return;
    list.push_back(list.size() < kMostProblems ? text : "and more");
  }

  int64_t define(const std::string& name) {
    if (name.empty()) return kNoSlot;
    UNLAZY_CHECK(slots_.emplace(name, num_slots_).second, "the value '", name,
                 "' is made by two nodes");
    return num_slots_++;
  }
  int64_t slot_of(const std::string& name) const {
    const auto found = slots_.find(name);
    UNLAZY_CHECK(
        found != slots_.end(), "the value '", name,
        "' is used before a node has made it: a node is missing, or the graph has a cycle");
    return found->second;
  }
  static const std::string& name_in(const Json& argument) {
    return argument.at("name").get_ref<const std::string&>();
  }

  static void check_sizes(const Json& values) {
    for (const auto& [name, meta] : values.items()) {
      double count = 1;
      for (const auto& size : meta.at("sizes")) {
        if (size.contains("as_int"))
          count *= std::abs(static_cast<double>(whole_number(size.at("as_int"))));
      }
      UNLAZY_CHECK(count <= static_cast<double>(kMaxElements), "the value '", name, "' has ", count,
                   " elements, more than any network for images has");
    }
  }

  void input(const Json& spec) {
    const auto& kind = kind_of(spec);
    const auto& value = value_of(spec);
    auto& inputs = program_.inputs_;
    if (kind == "parameter") {
      const auto slot = define(name_in(value.at("arg")));
      inputs.states[value.at("parameter_name").get<std::string>()] = slot;
      parameters_.insert(slot);
    } else if (kind == "buffer") {
      const auto slot = define(name_in(value.at("arg")));
      inputs.states[value.at("buffer_name").get<std::string>()] = slot;
      if (!value.value("persistent", true)) temporary_.insert(slot);
      buffers_.insert(slot);
    } else if (kind == "tensor_constant") {
      const auto slot = define(name_in(value.at("arg")));
      inputs.constants[value.at("tensor_constant_name").get<std::string>()] = slot;
      temporary_.insert(slot);
    } else if (kind == "constant_input") {
      literal_input(value);
    } else if (kind == "user_input") {
      const auto& argument = value.at("arg");
      if (kind_of(argument) == "as_tensor" && inputs.images == kNoSlot) {
        images_name_ = name_in(value_of(argument));
        inputs.images = define(images_name_);
      } else {
        problem("an input besides the images: " + argument.dump());
      }
    } else {
      problem("an input of the kind " + kind);
    }
  }

  void literal_input(const Json& spec) {
    const auto& value = spec.at("value");
    const auto literal = literal_of(kind_of(value), value_of(value));
    program_.inputs_.literals.emplace_back(define(name_in(spec)), literal.value_or(IValue()));
  }

  void images(const Json& values, const Json& program) {
    const auto& sizes = values.at(images_name_).at("sizes");
    for (const auto& size : sizes)
      program_.inputs_.shape.push_back(size.contains("as_int") ? whole_number(size.at("as_int"))
                                                               : -1);
    // The size "Symbol('s77', ..)" and the range {"s77": {"min_val": 2, "max_val": 1048576}}.
    if (sizes.empty() || !sizes[0].contains("as_expr")) return;
    const auto& text = sizes[0].at("as_expr").at("expr_str").get_ref<const std::string&>();
    constexpr std::string_view kSymbol = "Symbol('";
    if (!text.starts_with(kSymbol)) return;
    const auto name = text.substr(kSymbol.size(), text.find('\'', kSymbol.size()) - kSymbol.size());
    const auto& ranges = program.at("range_constraints");
    const auto range = ranges.find(name);
    if (range != ranges.end() && range->at("max_val").is_number_integer())
      program_.inputs_.max_batch = whole_number(range->at("max_val"));
  }

  void output(const Json& spec) {
    const auto& kind = kind_of(spec);
    const auto& value = value_of(spec);
    if (kind == "user_output") {
      ++program_.num_outputs_;
      if (program_.output_ != kNoSlot) return;
      if (kind_of(value.at("arg")) == "as_tensor")
        program_.output_ = slot_of(name_in(value_of(value.at("arg"))));
      else
        problem("the first output is no tensor");
    } else if (kind == "buffer_mutation") {
      const auto buffer = value.at("buffer_name").get<std::string>();
      UNLAZY_CHECK(program_.inputs_.states.count(buffer), "there is no buffer '", buffer, "'");
      if (temporary_.count(program_.inputs_.states.at(buffer))) refuse_temporary("the graph");
      program_.changed_.emplace_back(slot_of(name_in(value.at("arg"))), buffer);
    } else {
      problem("an output of the kind " + kind);
    }
  }

  void node(const Json& item) {
    Node node;
    const auto target = item.at("target").get<std::string>();
    const auto& outputs = item.at("outputs");
    // A check of dtypes and devices as they were in Python; ours may be others.
    if (target.starts_with("torch.ops.aten._assert_tensor_metadata.")) return;
    node.target = target;
    node.name = target;
    node.function = number_function(target);
    if (node.function == nullptr && !find_operator(node)) {
      for (const auto& output : outputs) define_result(node, output);  // its readers are no error
      return;
    }
    try {
      if (node.function != nullptr) {
        for (const auto& given : item.at("inputs")) {
          node.arguments.emplace_back();
          argument(node, node.arguments.size() - 1, given.at("arg"), nullptr);
        }
      } else {
        arguments(node, item.at("inputs"));
      }
    } catch (const Error& error) {
      throw Error(node.name + ": " + error.what());
    }
    for (const auto& output : outputs) define_result(node, output);
    if (outputs.size() == 1 && kind_of(outputs[0]) == "as_tensor")
      node.name += " (" + name_in(value_of(outputs[0])) + ")";
    check_results(node);
    if (node.op) {
      memory_.add(node, program_.nodes_.size());
      find_what_modes_change(node);
    }
    program_.nodes_.push_back(std::move(node));
  }

  bool find_operator(Node& node) {
    const auto found = look_up(node.target);
    node.target = node.name = found.name;
    node.op = found.op;
    if (!found.problem.empty()) problem(found.problem);
    return found.problem.empty();
  }

  void arguments(Node& node, const Json& inputs) {
    const auto& schema = node.op->schema();
    std::map<std::string, const Json*> given;
    for (const auto& item : inputs) {
      auto name = item.at("name").get<std::string>();
      if (node.target == "aten::reshape" && name == "size") name = "shape";  // it was a view
      UNLAZY_CHECK(schema.argumentIndexWithName(name), "it has no argument '", name, "'");
      UNLAZY_CHECK(given.emplace(name, &item.at("arg")).second, "the argument '", name,
                   "' stands there twice");
    }
    for (size_t i = 0; i < schema.arguments().size(); ++i) {
      const auto& wanted = schema.arguments()[i];
      const auto found = given.find(wanted.name());
      node.arguments.emplace_back();
      if (found != given.end()) {
        argument(node, i, *found->second, &wanted);
      } else {
        UNLAZY_CHECK(wanted.default_value().has_value(), "the argument '", wanted.name(),
                     "' is missing");
        node.arguments.back() = *wanted.default_value();
      }
    }
  }

  void fill(Node& node, Fill fill, bool is_tensor, const c10::Argument* wanted) {
    UNLAZY_CHECK(wanted == nullptr || fits(fill.kind, is_tensor, *wanted), "the argument '",
                 wanted == nullptr ? "" : wanted->name(), "' is of another kind");
    node.fills.push_back(std::move(fill));
  }

  void argument(Node& node, size_t index, const Json& json, const c10::Argument* wanted) {
    const auto& kind = kind_of(json);
    const auto& value = value_of(json);
    if (kind == "as_tensor" || (kind == "as_optional_tensor" && kind_of(value) == "as_tensor")) {
      const auto& name = name_in(kind == "as_tensor" ? value : value_of(value));
      return fill(node, {index, Fill::Kind::kValue, {slot_of(name)}, {}}, true, wanted);
    }
    if (kind == "as_tensors" || kind == "as_optional_tensors")
      return tensors(node, index, value, wanted);
    if (kind == "as_sym_ints") return sizes(node, index, value, wanted);
    if (kind.starts_with("as_sym_") && value.contains("as_name")) {
      const auto name = value.at("as_name").get<std::string>();
      return fill(node, {index, Fill::Kind::kValue, {slot_of(name)}, {}}, false, wanted);
    }
    auto constant = literal(node, index, kind, value);
    if (wanted != nullptr) {
      constant = in_form(std::move(constant), *wanted);
      UNLAZY_CHECK(fits(constant, *wanted), "the argument '", wanted->name(), "' is ", kind,
                   ", wanted ", wanted->type()->str());
    }
    node.arguments[index] = std::move(constant);
  }

  IValue literal(Node& node, size_t index, const std::string& kind, const Json& value) {
    if (kind == "as_device") node.devices.push_back(index);
    const auto constant = literal_of(kind, value);
    if (!constant) problem("an argument of the kind " + kind + " of " + node.target);
    if (kind == "as_scalar_type" && constant->toInt() == static_cast<int64_t>(c10::kFloat))
      node.dtypes.push_back(index);
    return constant.value_or(IValue());
  }

  void tensors(Node& node, size_t index, const Json& list, const c10::Argument* wanted) {
    Fill places{index, Fill::Kind::kTensors, {}, {}};
    const auto type = wanted == nullptr ? nullptr : plain_type(wanted->type());
    const auto list_type = type == nullptr ? nullptr : type->cast<c10::ListType>();
    if (list_type && is_kind(list_type->getElementType(), c10::TypeKind::OptionalType))
      places.kind = Fill::Kind::kOptionalTensors;
    for (const auto& item : list.get_ref<const Json::array_t&>()) {
      if (item.contains("as_none")) {
        UNLAZY_CHECK(places.kind == Fill::Kind::kOptionalTensors, "a list of tensors has None");
        places.slots.push_back(kNoSlot);
      } else {
        places.slots.push_back(
            slot_of(name_in(item.contains("as_tensor") ? item.at("as_tensor") : item)));
      }
    }
    fill(node, std::move(places), true, wanted);
  }

  void sizes(Node& node, size_t index, const Json& list, const c10::Argument* wanted) {
    Fill places{index, Fill::Kind::kNumbers, {}, {}};
    for (const auto& item : list.get_ref<const Json::array_t&>()) {
      const bool is_name = item.contains("as_name");
      places.slots.push_back(is_name ? slot_of(item.at("as_name").get<std::string>()) : kNoSlot);
      places.constants.push_back(is_name ? IValue() : IValue(size_in(item.at("as_int"))));
    }
    fill(node, std::move(places), false, wanted);
  }

  void define_result(Node& node, const Json& output) {
    const auto& kind = kind_of(output);
    const auto& value = value_of(output);
    node.is_list.push_back(kind == "as_tensors");
    auto& slots = node.results.emplace_back();
    if (kind == "as_tensor") {
      slots.push_back(define(name_in(value)));
    } else if (kind == "as_tensors") {
      for (const auto& item : value) slots.push_back(define(name_in(item)));
    } else if (kind == "as_sym_int" || kind == "as_sym_bool" || kind == "as_sym_float") {
      slots.push_back(define(value.at("as_name").get<std::string>()));
    } else {
      UNLAZY_CHECK(kind == "as_none", node.name, ": a result of the kind ", kind);
      slots.push_back(kNoSlot);
    }
  }

  void find_what_modes_change(Node& node) {
    const auto& schema = node.op->schema();
    node.is_norm = is_norm(schema.name());
    bool is_off = false;
    for (const std::string name : {"training", "train", "use_input_stats", "dropout_p"}) {
      const auto value = constant_named(node, name);
      if (!value) continue;
      const auto index = static_cast<size_t>(*schema.argumentIndexWithName(name));
      const bool is_number = node.arguments[index].isDouble();
      // Normalisation without running statistics always takes those of the batch or the image.
      if (node.is_norm && !is_filled(node, "running_mean")) continue;
      if (!is_number) program_.has_switches_ = true;
      if (*value != 0) {
        program_.has_switches_ = program_.has_switch_on_ = true;
        if (!is_evaluation_) node.off[index] = is_number ? IValue(0.0) : IValue(false);
      } else {
        is_off = true;
      }
    }
    const auto p = constant_named(node, "p");
    if (node.op->hasTag(at::Tag::nondeterministic_seeded) && !is_off && !(p && *p == 0)) {
      program_.is_random_ = true;
      if (node.off.empty()) program_.always_random_.push_back(node.name);
    }
    if (node.is_norm && constant_named(node, "momentum") && is_filled(node, "running_mean")) {
      node.momentum = *schema.argumentIndexWithName("momentum");
      node.momentum_place = program_.momenta_.size();
      program_.momenta_.push_back(*constant_named(node, "momentum"));
    }
    find_changed_state(node);
  }

  void refuse_temporary(const std::string& who) {
    problem(who +
            " changes a buffer that is in no state dict (persistent=False), so a run could not be "
            "continued: register it with persistent=True");
  }

  void find_changed_state(Node& node) {
    const auto& schema = node.op->schema();
    const bool is_of_shape =
        node.op->hasTag(at::Tag::inplace_view);  // unsqueeze_: no value changes
    for (const auto& fill : node.fills) {
      const auto* alias = schema.arguments()[fill.argument].alias_info();
      if (alias == nullptr || !alias->isWrite() || fill.slots.size() != 1) continue;
      const auto slot = fill.slots[0];
      if (is_of_shape) {
        if (parameters_.count(slot) + buffers_.count(slot) + temporary_.count(slot) > 0 ||
            slot == program_.inputs_.images)
          problem(node.name + " changes the shape of a parameter, a buffer or the images");
        continue;
      }
      memory_.write(slot, program_.nodes_.size());
      check_change(node, slot);
      if (buffers_.count(memory_.origin(slot)) == 0 || node.is_norm) continue;
      // Evaluation leaves the node out and goes on with the buffer.
      if (node.results.size() == 1 && !node.is_list[0] &&
          memory_.made_from(node.results[0][0]) == slot)
        node.changed_buffer = slot;
      else
        problem(node.name +
                " changes a buffer besides giving a result, so evaluation cannot leave "
                "it out");
    }
    if (!node.is_norm || !takes_statistics(node)) return;
    for (const char* name : {"running_mean", "running_var"}) {  // the schema does not say it
      const auto index = schema.argumentIndexWithName(name);
      for (const auto& fill : node.fills) {
        if (index && fill.argument == static_cast<size_t>(*index))
          check_change(node, fill.slots[0]);
      }
    }
  }

  void check_change(const Node& node, int64_t slot) {
    const auto changed = memory_.origin(slot);
    if (parameters_.count(changed)) problem(node.name + " changes a parameter");
    if (changed == program_.inputs_.images) problem(node.name + " changes the images");
    if (temporary_.count(changed)) refuse_temporary(node.name);
  }

  void check_writes() {
    for (const size_t i : memory_.lost_writes(program_.nodes_, slots_kept()))
      problem(program_.nodes_[i].name +
              " changes a tensor in place of which a reshaped form is used too; training keeps "
              "tensors in another order, where a reshaped one may be a copy: write x = x + y for "
              "x += y there");
  }

  // Read when all nodes have run.
  std::vector<int64_t> slots_kept() const {
    std::vector<int64_t> slots;
    if (program_.output_ != kNoSlot) slots.push_back(program_.output_);
    for (const auto& [slot, buffer] : program_.changed_) {
      slots.push_back(slot);
      slots.push_back(program_.inputs_.states.at(buffer));
    }
    return slots;
  }

  Program& program_;
  bool is_evaluation_;
  std::map<std::string, int64_t> slots_;
  std::set<int64_t> parameters_, buffers_;
  std::set<int64_t> temporary_;  // buffers and constants that are in no state dict
  SharedMemory memory_;
  std::set<std::string> known_problems_;
  std::string images_name_;
  int64_t num_slots_ = 0;
};

Program::Program(const nlohmann::json& program, bool is_evaluation) {
  try {
    ProgramReader(*this, is_evaluation).read(program);
  } catch (const nlohmann::json::exception& error) {
    throw Error(std::string("the graph is not as torch.export writes it: ") + error.what());
  } catch (const c10::Error& error) {
    throw Error(std::string("the graph cannot be read: ") + error.what_without_backtrace());
  }
}

}  // namespace unlazy::models
