#include "models/exported/exported_model.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/names.h"
#include "core/rng.h"
#include "models/frozen_statistics.h"
#include "models/init.h"
#include "models/norm.h"

namespace unlazy::models {
namespace {

namespace nn = torch::nn;
using Json = nlohmann::json;

// A module of the Python network: its own parameters and buffers, and the modules below it. Whole
// numbers (counters, indices) stay what they are when the network becomes fp64.
class Branch : public nn::Module {
 public:
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override {
    to(device, non_blocking);
    to(dtype, non_blocking);
  }
  void to(torch::Dtype dtype, bool non_blocking = false) override {
    std::vector<std::pair<at::Tensor, at::Tensor>> whole;  // buffer, what it held
    for (const auto& item : named_buffers(/*recurse=*/false)) {
      if (!item.value().is_floating_point()) whole.emplace_back(item.value(), item.value().data());
    }
    Module::to(dtype, non_blocking);
    for (auto& [buffer, before] : whole) buffer.set_data(before);
  }
  void to(torch::Device device, bool non_blocking = false) override {
    Module::to(device, non_blocking);
  }

  // The branch below this one.
  std::shared_ptr<Branch> below(const std::string& name) {
    const auto all = named_children();
    if (const auto* found = all.find(name)) return std::dynamic_pointer_cast<Branch>(*found);
    return register_module(name, std::make_shared<Branch>());
  }
};

using Bindings = std::vector<std::pair<int64_t, at::Tensor>>;  // slot, tensor

class ExportedModel : public Branch, public Model, public RunningStatistics {
 public:
  explicit ExportedModel(const ExportedNetwork& network)
      : training_(network.training),
        evaluation_(network.evaluation),
        draws_in_evaluation_(network.has_two() && evaluation_->is_random()) {
    std::map<const void*, at::Tensor> registered;
    for (const auto& name : network.order) add(name, network.weights.at(name), registered);
    for (const auto& [name, constant] : network.constants) hide("constant " + name, constant.value);
    training_bindings_ = bindings(*training_, network);
    evaluation_bindings_ = bindings(*evaluation_, network);
    momenta_ = training_->momenta();
  }

  at::Tensor forward(const at::Tensor& images) override {
    const bool training = is_training();
    const auto& program = training ? *training_ : *evaluation_;
    UNLAZY_CHECK_USAGE(
        program.inputs().max_batch == 0 || images.size(0) <= program.inputs().max_batch,
        "exported network: was exported for at most ", program.inputs().max_batch,
        " images at a time, got ", images.size(0),
        "; make --batch or --eval-batch smaller, or export it with tools/python/export_network.py");
    const Mode mode{training, training && changes_buffers_ != 0, images.scalar_type(),
                    images.device(), plain_operators_level()};
    std::vector<c10::IValue> values(program.num_slots());
    const auto& bound = training ? training_bindings_ : evaluation_bindings_;
    for (const auto& [slot, tensor] : bound) values[static_cast<size_t>(slot)] = tensor;
    for (const auto& [slot, value] : program.inputs().literals)
      values[static_cast<size_t>(slot)] = value;
    values[static_cast<size_t>(program.inputs().images)] = images;
    static const std::vector<double> kNone;
    std::optional<SeededDraws> draws;
    if (training ? training_->is_random() : draws_in_evaluation_)
      draws.emplace(training ? next_seed() : seed_of_pass(kEvaluation), images.device());
    return program.run(std::move(values), mode, training ? momenta_ : kNone);
  }

  nn::Module& module() override { return *this; }
  int64_t max_batch() const override {
    const int64_t a = training_->inputs().max_batch, b = evaluation_->inputs().max_batch;
    return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
  }
  bool is_random() const override { return training_->is_random() || draws_in_evaluation_; }
  void set_draws(uint64_t seed) { fixed_seed_ = seed; }
  void begin_step(uint64_t seed, int64_t step) override {
    seed_ = seed;
    step_ = step;
    num_passes_ = 0;
  }

  bool has_statistics() const override { return !momenta_.empty(); }
  std::vector<double*> momenta() override {
    std::vector<double*> places = {&changes_buffers_};
    for (auto& momentum : momenta_) places.push_back(&momentum);
    return places;
  }

  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override {
    Branch::to(device, dtype, non_blocking);
  }
  void to(torch::Dtype dtype, bool non_blocking = false) override {
    Branch::to(dtype, non_blocking);
    hidden_->to(dtype, non_blocking);
  }
  void to(torch::Device device, bool non_blocking = false) override {
    Branch::to(device, non_blocking);
    hidden_->to(device, non_blocking);
  }

 private:
  // The generator of the device, which operators such as dropout draw from, during one pass.
  class SeededDraws {
   public:
    SeededDraws(uint64_t seed, const at::Device& device) : on_host_(seed) {
      if (device.is_cpu()) return;
      auto generator = at::globalContext().defaultGenerator(device);
      generator.set_current_seed(seed);
    }

   private:
    SeededGenerator on_host_;
  };

  // Draws are a function of (seed, step, number of the pass in this step). In evaluation they are
  // the same in all passes of a step, so that a measurement looks at one function.
  static constexpr int64_t kEvaluation = 0;
  uint64_t next_seed() { return seed_of_pass(++num_passes_); }
  uint64_t seed_of_pass(int64_t pass) const {
    if (fixed_seed_) return *fixed_seed_;
    Rng rng(seed_, Stream::kDropout, static_cast<uint64_t>(step_));
    uint64_t bits = 0;
    for (int64_t i = 0; i <= pass; ++i)
      bits = (static_cast<uint64_t>(rng.bits()) << 32) | rng.bits();
    return bits;
  }

  // `registered`: by the tensor of the archive. A tied one is one tensor with two names.
  void add(const std::string& name, const StoredTensor& tensor,
           std::map<const void*, at::Tensor>& registered) {
    Branch* branch = this;
    size_t begin = 0;
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', begin)) {
      branch = branch->below(name.substr(begin, dot - begin)).get();
      begin = dot + 1;
    }
    const auto own = name.substr(begin);
    auto& known = registered[tensor.value.unsafeGetTensorImpl()];
    if (!known.defined()) known = tensor.value.clone();
    states_[name] = tensor.requires_grad ? branch->register_parameter(own, known)
                                         : branch->register_buffer(own, known);
  }

  // Of no state dict, but moved with the network.
  at::Tensor hide(const std::string& name, const at::Tensor& value) {
    auto& tensor = hidden_tensors_[name];
    if (!tensor.defined())
      tensor = hidden_->register_buffer(std::to_string(hidden_tensors_.size()), value.clone());
    return tensor;
  }

  Bindings bindings(const Program& program, const ExportedNetwork& network) {
    Bindings list;
    for (const auto& [name, slot] : program.inputs().states) {
      const auto found = states_.find(name);
      if (found != states_.end()) {
        list.emplace_back(slot, found->second);
        continue;
      }
      // A buffer that is in no state dict is kept among the constants.
      const auto constant = network.constants.find(name);
      UNLAZY_CHECK(constant != network.constants.end(), network.path, ": '", name,
                   "' has no values in the archive");
      list.emplace_back(slot, hide("constant " + name, constant->second.value));
    }
    for (const auto& [name, slot] : program.inputs().constants) {
      const auto constant = network.constants.find(name);
      UNLAZY_CHECK(constant != network.constants.end(), network.path, ": the constant '", name,
                   "' has no values in the archive");
      list.emplace_back(slot, hide("constant " + name, constant->second.value));
    }
    return list;
  }

  std::shared_ptr<const Program> training_, evaluation_;
  bool draws_in_evaluation_;
  std::map<std::string, at::Tensor> states_, hidden_tensors_;
  std::shared_ptr<Branch> hidden_ = std::make_shared<Branch>();
  Bindings training_bindings_, evaluation_bindings_;
  std::vector<double> momenta_;
  double changes_buffers_ = 1;  // 0 while statistics are frozen
  std::optional<uint64_t> fixed_seed_;
  uint64_t seed_ = 0;
  int64_t step_ = 0, num_passes_ = 0;
};

// Names of parameters and buffers in the order of Python's modules: that of the graph's inputs.
std::vector<std::string> names_in_order(const Json& program) {
  constexpr int64_t kMostModules = 64;  // one in another; PyTorch's own recursion is limited too
  std::vector<std::string> names;
  for (const auto& spec : program.at("graph_module").at("signature").at("input_specs")) {
    if (spec.contains("parameter"))
      names.push_back(spec.at("parameter").at("parameter_name").get<std::string>());
    if (spec.contains("buffer") && spec.at("buffer").value("persistent", true))
      names.push_back(spec.at("buffer").at("buffer_name").get<std::string>());
    UNLAZY_CHECK(
        names.empty() || std::count(names.back().begin(), names.back().end(), '.') < kMostModules,
        "a parameter lies in more than ", kMostModules, " modules, one in another");
  }
  return names;
}

void check_images(const ExportedNetwork& network, const InputShape& shape) {
  const auto& wanted = network.training->inputs().shape;
  const std::vector<int64_t> given = {-1, shape.channels, shape.height, shape.width};
  for (size_t i = 1; i < wanted.size(); ++i) {
    UNLAZY_CHECK_USAGE(wanted[i] < 0 || wanted[i] == given[i], network.path, ": takes images ",
                       sizes_text({wanted[1], wanted[2], wanted[3]}), ", but the data has ",
                       sizes_text({given[1], given[2], given[3]}),
                       "; export the network with --input ", given[1], ",", given[2], ",",
                       given[3]);
  }
}

// Before anything starts: do images go through in both modes, in the order of memory that training
// has, and do the logits fit the classes? Tried on a copy, which the pass may change.
void check_pass(const ExportedNetwork& network, const InputShape& shape) {
  const at::NoGradGuard no_grad;
  const auto model = make_exported(network);
  const SeededGenerator seeded(0);
  const auto images = at::randn({2, shape.channels, shape.height, shape.width})
                          .contiguous(at::MemoryFormat::ChannelsLast);
  for (const bool is_training : {false, true}) {
    model->module().train(is_training);
    at::Tensor logits;
    try {
      logits = model->forward(images);
    } catch (const Error& error) {
      throw Error(network.path + ": cannot be run on images " + sizes_text(images.sizes().vec()) +
                      (is_training ? " in training: " : " in evaluation: ") + error.what(),
                  Error::Kind::kMisuse);
    }
    UNLAZY_CHECK_USAGE(
        logits.dim() == 2 && logits.size(0) == 2 && logits.size(1) == shape.num_classes,
        network.path, ": maps 2 images to ", sizes_text(logits.sizes().vec()),
        ", but the data has ", shape.num_classes, " classes; export the network with --classes ",
        shape.num_classes);
  }
}

}  // namespace

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::vector<std::string> words;
  for (const int64_t size : sizes) words.push_back(size < 0 ? "any" : std::to_string(size));
  return "[" + join(words) + "]";
}

ExportedNetwork::ExportedNetwork(const std::string& file) : ExportedNetwork(file, Archive(file)) {}

ExportedNetwork::ExportedNetwork(const std::string& file, const Archive& archive)
    : path(file),
      weights(archive.weights()),
      constants(archive.constants()),
      is_of_training(archive.is_of_training()) {
  const auto read = [&](const std::string& record, const Json& json, bool is_evaluation) {
    try {
      return std::make_shared<const Program>(json, is_evaluation);
    } catch (const Error& error) {
      throw Error(file + ": " + record + error.what());
    }
  };
  const auto json = archive.program();
  try {
    torch_version = json.value("torch_version", "unknown");
    order = names_in_order(json);
  } catch (const Json::exception& error) {
    throw Error(file + ": the graph is not as torch.export writes it: " + error.what());
  } catch (const Error& error) {
    throw Error(file + ": " + error.what());
  }
  training = evaluation = read("", json, /*is_evaluation=*/false);
  for (const auto& name : order)
    UNLAZY_CHECK(weights.count(name), file, ": '", name, "' has no values in the archive");
  if (const auto second = archive.evaluation_program())
    evaluation = read("extra/eval.json: ", *second, /*is_evaluation=*/true);
}

std::vector<std::string> ExportedNetwork::problems() const {
  std::vector<std::string> all;
  const auto add = [&](const std::string& problem) {
    if (std::find(all.begin(), all.end(), problem) == all.end()) all.push_back(problem);
  };
  for (const auto* program : {training.get(), evaluation.get()}) {
    for (const auto& problem : program->problems()) add(problem);
    const auto& shape = program->inputs().shape;
    if (program->problems().empty() && (shape.size() != 4 || shape[0] >= 0))
      add("it takes an input of " + sizes_text(shape) +
          "; wanted [any, channels, height, width]: export it with images as its input and a batch "
          "of any size, as tools/python/export_network.py does");
  }
  if (!all.empty()) return all;
  if (training->inputs().shape != evaluation->inputs().shape)
    add("its two graphs take images of other sizes");
  if (!has_two() && !training->always_random().empty())
    add("it draws random numbers that nothing turns off in evaluation (" +
        join(training->always_random()) +
        "); tools/python/export_network.py stores a second graph for evaluation");
  if (training->is_switched_off() && !is_of_training)
    add("it was exported in evaluation mode, so dropout and BatchNorm would not train; call "
        "train() on the module before torch.export.export. If it is meant so, export it with "
        "tools/python/export_network.py");
  return all;
}

std::shared_ptr<Model> make_exported(const ExportedNetwork& network) {
  const auto problems = network.problems();
  UNLAZY_CHECK_USAGE(problems.empty(), network.path, ": cannot be run: ", join(problems, "; "));
  try {
    return std::make_shared<ExportedModel>(network);
  } catch (const c10::Error& error) {
    throw Error(network.path + ": " + error.what_without_backtrace());
  }
}

void set_draws(Model& model, uint64_t seed) {
  if (auto* exported = dynamic_cast<ExportedModel*>(&model)) exported->set_draws(seed);
}

std::shared_ptr<Model> make_exported(const std::string& path, const InputShape& shape) {
  const ExportedNetwork network(path);
  auto model = make_exported(network);
  check_images(network, shape);
  check_pass(network, shape);
  return model;
}

}  // namespace unlazy::models
