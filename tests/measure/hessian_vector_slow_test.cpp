// Products with the Hessian of every network: the forward derivative of the gradient against
// backward through backward. A new line in the registry of models is tested with no further line
// here.
#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>
#include <set>

#include <algorithm>

#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

using Case = std::tuple<std::string, std::string, std::string>;  // model, normalisation, loss

// Two images in fp64, chunks of one. Smaller images than CIFAR's run the same operators in a
// quarter of the time; vgg halves an image five times.
int64_t image_size(const std::string& model) { return model == "vgg" ? 32 : 8; }

class Net {
 public:
  Net(const std::string& name, const std::string& norm, const std::string& loss)
      : loss_({.kind = loss, .label_smoothing = loss == "cross-entropy" ? 0.1 : 0}) {
    at::manual_seed(3);
    const int64_t size = image_size(name);
    dataset_.images = at::randint(0, 256, {2, size, size, 3}, c10::kByte);
    dataset_.labels = at::randint(0, 4, {2}, c10::kLong);
    dataset_.classes = {"a", "b", "c", "d"};
    models::ModelOptions options;
    options.name = name;
    options.norm = norm;
    if (name == "resnet18") options.block_widths = std::vector<int64_t>(8, 16);  // else 11 million
    model_ = models::make_model(options, {3, size, size, 4}, 1);
    model_->module().eval();
    parameters_ =
        std::make_unique<optim::FlatParameters>(model_->module(), c10::kCPU, c10::kDouble);
    for (auto& buffer : model_->module().buffers()) {
      if (buffer.is_floating_point()) buffer.add_(0.25);  // statistics that are not 0 and 1
    }
    const data::Normalization normalization{{.5, .5, .5}, {.25, .25, .25}};
    reader_ = std::make_unique<data::BatchReader>(dataset_, normalization, data::BatchOptions{}, 0,
                                                  c10::kCPU, c10::kDouble);
  }

  Subject subject() {
    ProbeOptions probe;
    probe.samples = 0;
    return {*model_,
            *parameters_,
            loss_,
            {*reader_, dataset_.labels},
            {*reader_, dataset_.labels},
            parameters_->values(),
            4,
            /*batch_size=*/1,
            probe};
  }

  int64_t num_parameters() const { return parameters_->size(); }

  // Through the run's own operators and the loss of training.
  at::Tensor training_loss() {
    return loss_.mean(model_->forward(reader_->plain_batch({0, 1})),
                      loss_.clean_targets(dataset_.labels, 4));
  }

  // The loss that is differentiated, by backward through backward.
  at::Tensor double_backward(const at::Tensor& v) {
    const models::PlainOperators plain;
    std::vector<at::Tensor> parameters;
    for (const auto& segment : parameters_->segments()) {
      for (const auto& item : model_->module().named_parameters())
        if (item.key() == segment.name) parameters.push_back(item.value());
    }
    const auto value = loss_.differentiable_mean(model_->forward(reader_->plain_batch({0, 1})),
                                                 loss_.clean_targets(dataset_.labels, 4));
    const auto gradients = torch::autograd::grad({value}, parameters, {}, true, true, true);
    at::Tensor slope = at::zeros({}, c10::kDouble);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      slope =
          slope + (gradients[i] * optim::FlatParameters::view(v, parameters_->segments()[i])).sum();
    }
    const auto parts = torch::autograd::grad({slope}, parameters, {}, false, false, true);
    auto flat = parameters_->zeros_like_values();
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].defined())
        optim::FlatParameters::view(flat, parameters_->segments()[i]).copy_(parts[i]);
    }
    return flat;
  }

 private:
  data::Dataset dataset_;
  std::shared_ptr<models::Model> model_;
  std::unique_ptr<optim::FlatParameters> parameters_;
  std::unique_ptr<data::BatchReader> reader_;
  optim::Loss loss_;
};

class HessianVector : public ::testing::TestWithParam<Case> {};

TEST_P(HessianVector, IsBackwardThroughBackward) {
  const auto& [name, norm, loss] = GetParam();
  std::unique_ptr<Net> net;
  try {
    net = std::make_unique<Net>(name, norm, loss);
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();  // a normalisation that this model refuses
  }
  const int64_t limit = norm == "batch" ? 15'000'000 : 3'000'000;
  if (net->num_parameters() > limit) GTEST_SKIP() << "more than " << limit << " parameters";
  const auto subject = net->subject();
  at::Tensor v, product;
  double value = 0;
  {
    LossSurface surface(subject);
    auto rng = probe_rng("a direction");
    v = surface.normals(rng);
    product = surface.hessian_vector(v);
    value = surface.loss().item<double>();
  }
  const auto wanted = net->double_backward(v);
  EXPECT_GT(wanted.norm().item<double>(), 0);
  EXPECT_LT((product - wanted).norm().item<double>(), 1e-10 * wanted.norm().item<double>());
  EXPECT_NEAR(value, net->training_loss().item<double>(), 1e-10 * std::abs(value))
      << "the loss is that of training";
}

// These are wider or deeper than others and made of the same parts.
const std::set<std::string> kSameParts = {"resnet34", "wrn-16-8", "wrn-28-10", "wrn-40-4"};

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const auto& entry : models::registry().entries()) {
    if (kSameParts.contains(entry.name)) continue;
    for (const std::string norm : {"batch", "group", "none"})
      list.emplace_back(entry.name, norm, "cross-entropy");
  }
  list.emplace_back("resnet20", "batch", "squared-error");
  return list;
}

INSTANTIATE_TEST_SUITE_P(All, HessianVector, ::testing::ValuesIn(cases()), [](const auto& test) {
  auto name =
      std::get<0>(test.param) + "_" + std::get<1>(test.param) + "_" + std::get<2>(test.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace unlazy::measure
