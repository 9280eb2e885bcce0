// unlazy model: what a network from Python is (info), and whether it computes what it computes in
// Python (check).
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "command.h"
#include "core/error.h"
#include "core/format.h"
#include "core/safetensors.h"
#include "linearise/network.h"
#include "models/exported/exported_model.h"
#include "report/text.h"

namespace unlazy::tools {
namespace {

struct CheckOptions {
  std::string reference;
  double tolerance = 1e-6;
};

OptionTable describe(CheckOptions& o) {
  return {"Check",
          {{.name = "reference",
            .target = &o.reference,
            .help = "The .safetensors file that export_network.py --reference wrote.",
            .is_common = true},
           {.name = "tolerance",
            .target = &o.tolerance,
            .range = Range::at_least(0),
            .help = "Largest relative difference that is right.",
            .is_common = true}}};
}

// The worst of several tensors.
struct Difference {
  double worst = 0;
  std::string where;
  void add(double difference, const std::string& name) {
    if (!std::isnan(worst) && !(difference <= worst)) {  // nan is the worst
      worst = difference;
      where = name;
    }
  }
};

double norm_of(const at::Tensor& t) { return t.to(c10::kDouble).norm().item<double>(); }

// |a - b| / |b|, where |b| counts as `least` at least: what is 0 but for rounding says nothing.
double relative_difference(const at::Tensor& a, const at::Tensor& b, double least = 0) {
  UNLAZY_CHECK(a.sizes() == b.sizes(), "model check: the network gives ", a.sizes(),
               ", the reference holds ", b.sizes(), "; are they of one network?");
  const double difference = norm_of(a.to(c10::kDouble) - b.to(c10::kDouble));
  return difference == 0 ? 0 : difference / std::max(norm_of(b), least);
}

class Check {
 public:
  Check(const models::ExportedNetwork& network, const TensorFile& reference)
      : network_(network),
        reference_(reference),
        images_(reference.at("images")),
        targets_(reference.at("targets")) {}

  std::map<std::string, Difference> of_mode(bool is_training) const {
    const std::string prefix = is_training ? "train." : "eval.";
    const auto model = fresh(is_training);
    std::map<std::string, Difference> found;
    const auto outputs = model->forward(images_);
    found["outputs"].add(relative_difference(outputs, reference_.at(prefix + "outputs")), "");
    const linearise::Network network(model->module(),
                                     [&](const at::Tensor& x) { return model->forward(x); });
    gradients(outputs, network, prefix, found["gradients"]);
    for (const auto& item : model->module().named_buffers()) {
      const auto name = prefix + "buffer." + item.key();  // of training only
      if (reference_.contains(name))
        found["buffers"].add(relative_difference(item.value(), reference_.at(name)), item.key());
    }
    if (reference_.contains(prefix + "derivative"))
      derivative(network, prefix, found["derivative"]);
    return found;
  }

  Difference losses() const {
    const auto model = fresh(/*is_training=*/true);
    const auto wanted = reference_.at("train.losses");
    const double lr = learning_rate();
    Difference found;
    for (int64_t step = 0; step < wanted.numel(); ++step) {
      models::set_draws(*model, static_cast<uint64_t>(step));
      const auto loss = at::cross_entropy_loss(model->forward(images_), targets_);
      loss.backward();
      const at::NoGradGuard no_grad;
      for (auto& parameter : model->module().parameters()) {
        if (!parameter.grad().defined()) continue;
        parameter.add_(parameter.grad(), -lr);
        parameter.mutable_grad() = at::Tensor();
      }
      found.add(relative_difference(loss.detach(), wanted[step]), "step " + std::to_string(step));
    }
    return found;
  }

 private:
  double learning_rate() const {
    const auto found = reference_.metadata.find("lr");
    double lr = 0;
    UNLAZY_CHECK(found != reference_.metadata.end() && std::istringstream(found->second) >> lr,
                 "model check: the reference does not say its learning rate; it was not written by "
                 "export_network.py --reference");
    return lr;
  }

  std::shared_ptr<models::Model> fresh(bool is_training) const {
    auto model = models::make_exported(network_);
    model->module().train(is_training);
    models::set_draws(*model, 0);
    return model;
  }

  // Not in the reference where Python has none of an operator.
  void derivative(const linearise::Network& network, const std::string& prefix,
                  Difference& found) const {
    std::vector<at::Tensor> directions;
    for (const auto& name : network.names())
      directions.push_back(reference_.at("direction." + name));
    const auto tangent = linearise::jvp(network, images_, network.flatten(directions)).tangent;
    found.add(relative_difference(tangent, reference_.at(prefix + "derivative")), "");
  }

  // A gradient that is less than 1e-4 of all is measured against that.
  void gradients(const at::Tensor& outputs, const linearise::Network& network,
                 const std::string& prefix, Difference& found) const {
    const auto loss = at::cross_entropy_loss(outputs, targets_);
    const auto parts = torch::autograd::grad({loss}, network.parameters(), {}, std::nullopt, false,
                                             /*allow_unused=*/true);
    double squares = 0;
    for (const auto& part : parts) squares += part.defined() ? std::pow(norm_of(part), 2) : 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto& name = network.names()[i];
      const auto gradient = parts[i].defined() ? parts[i] : at::zeros_like(network.parameters()[i]);
      found.add(relative_difference(gradient, reference_.at(prefix + "gradient." + name),
                                    1e-4 * std::sqrt(squares)),
                name);
    }
  }

  const models::ExportedNetwork& network_;
  const TensorFile& reference_;
  at::Tensor images_, targets_;
};

class ModelCommand : public Command {
 public:
  Options& options() override { return options_; }
  std::vector<std::string> first_words() const override { return {"info", "check"}; }
  std::string usage() const override { return "info|check FILE.pt2 [options]"; }
  std::string description() const override {
    return "  info   parameters, operators and input of a network from Python, and what of it "
           "cannot be trained\n"
           "  check  runs it and compares outputs, gradients, a forward derivative, buffers and "
           "losses with those that\n"
           "         Python found, in evaluation and in training mode; exit code 1 when a relative "
           "difference is\n"
           "         above --tolerance\n\n"
           "  unlazy model info net.pt2\n"
           "  unlazy model check net.pt2 --reference net.safetensors\n\n"
           "Both files are written by tools/python/export_network.py; models/README.md says how.\n";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 2 && (words[0] == "info" || words[0] == "check"),
                       "model: say what to do with which file: unlazy model info FILE.pt2, or "
                       "unlazy model check FILE.pt2 --reference FILE.safetensors");
    const models::ExportedNetwork network(words[1]);
    if (words[0] == "check") return check(network);
    for (const std::string name : {"reference", "tolerance"})
      UNLAZY_CHECK_USAGE(!options_.is_given(name), "model: --", name,
                         " has no effect with unlazy model info");
    return info(network);
  }

 private:
  int info(const models::ExportedNetwork& network) const {
    const auto& program = *network.training;
    int64_t count = 0;
    std::set<const void*> seen;
    std::cout << "file      " << network.path << ", SHA-1 " << models::file_sha1(network.path)
              << ", PyTorch " << report::one_line(network.torch_version) << "\n"
              << "input     " << models::sizes_text(program.inputs().shape) << "\n"
              << "outputs   " << program.num_outputs()
              << (program.num_outputs() > 1 ? ", of which the first is taken for the logits" : "")
              << "\n"
              << "graphs    "
              << (network.has_two() ? "one for training, one for evaluation"
                                    : "one, with switches between training and evaluation")
              << "\n"
              << "random    "
              << (program.is_random() ? "training draws random numbers (dropout)" : "no")
              << (network.has_two() && network.evaluation->is_random()
                      ? "; evaluation draws them too"
                      : "")
              << "\n";
    std::cout << "\nparameters and buffers\n";
    for (const auto& name : network.order) {
      const auto& tensor = network.weights.at(name);
      const bool is_new = seen.insert(tensor.value.unsafeGetTensorImpl()).second;  // or it is tied
      if (tensor.requires_grad && is_new) count += tensor.value.numel();
      std::cout << "  " << std::left << std::setw(44) << report::one_line(name) << " "
                << std::setw(18) << models::sizes_text(tensor.value.sizes().vec())
                << (!tensor.requires_grad ? " fixed or buffer"
                    : is_new              ? ""
                                          : " tied")
                << "\n";
    }
    std::cout << "  " << count << " parameters are trained\n\noperators\n";
    std::map<std::string, int64_t> operators;
    for (const auto& node : program.nodes()) ++operators[node.target];
    for (const auto& [name, times] : operators)
      std::cout << "  " << std::right << std::setw(5) << times << "  " << report::one_line(name)
                << "\n";
    // Their results or sizes depend on values. (Of index, only with a mask for an index.)
    std::set<std::string> waiting;
    for (const auto& node : program.nodes()) {
      if (node.op && node.target != "aten::index.Tensor" &&
          (node.op->hasTag(at::Tag::data_dependent_output) ||
           node.op->hasTag(at::Tag::dynamic_output_shape)))
        waiting.insert(node.target);
    }
    if (!waiting.empty()) {
      std::cout
          << "\non a GPU the host may have to wait for these in each step, which also keeps the "
             "step out of a CUDA graph\n";
      for (const auto& name : waiting) std::cout << "  " << report::one_line(name) << "\n";
    }
    const auto problems = network.problems();
    if (problems.empty()) return 0;
    std::cout << "\ncannot be trained\n";
    for (const auto& problem : problems) std::cout << "  " << report::one_line(problem) << "\n";
    return 1;
  }

  int check(const models::ExportedNetwork& network) const {
    UNLAZY_CHECK_USAGE(!check_.reference.empty(),
                       "model check: name the reference with --reference FILE.safetensors; "
                       "tools/python/export_network.py --reference writes it");
    const auto reference = load_tensors(check_.reference);
    const int threads = at::get_num_threads();
    at::set_num_threads(1);  // as the reference was made: sums depend on their number
    const Check check(network, reference);
    std::map<std::string, Difference> evaluation, training;
    Difference losses;
    try {
      evaluation = check.of_mode(false);
      training = check.of_mode(true);
      losses = check.losses();
    } catch (const Error& error) {
      throw Error(network.path + " with " + check_.reference + ": " + error.what(), error.kind());
    }
    at::set_num_threads(threads);
    bool is_right = true;
    std::cout << "largest relative difference from Python\n";
    const auto line = [&](const std::string& name, const Difference& found) {
      is_right = is_right && found.worst <= check_.tolerance;
      std::cout << "  " << std::left << std::setw(24) << name << rounded_text(found.worst, 3)
                << (found.worst > 0 && !found.where.empty() ? "  (" + found.where + ")" : "")
                << (found.worst <= check_.tolerance ? "" : "  too large") << "\n";
    };
    for (const auto& [name, found] : evaluation) line("evaluation " + name, found);
    for (const auto& [name, found] : training) line("training " + name, found);
    line("losses of SGD", losses);
    return is_right ? 0 : 1;
  }

  CheckOptions check_;
  Options options_{"model", {describe(check_)}};
};

}  // namespace

std::unique_ptr<Command> make_model() { return std::make_unique<ModelCommand>(); }

}  // namespace unlazy::tools
