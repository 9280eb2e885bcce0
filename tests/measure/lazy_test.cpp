// How lazy a network is, against Jacobians of another copy of it, row by row in fp64.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <cmath>
#include <map>

#include "models/norm.h"
#include "support/expect_error.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::measure {
namespace {

constexpr int64_t kSamples = 3, kSteps = 4;

train::TrainOptions run_of(const std::string& model, const std::string& precision) {
  auto o = testing::small_run();
  o.data.train_size = 32;
  o.batch.batch_size = 8;
  o.model.name = model;
  o.model.blocks = 1;  // of the wrn: WRN-10-1
  o.compute.precision = precision;
  o.schedule.lr = model == "mlp" ? 0.05 : 0.02;
  o.run.eval_batch = 2;  // the last chunk is smaller
  o.measure.probe.samples = kSamples;
  return o;
}

std::map<std::string, double> measured_numbers(const std::string& measurement,
                                               const Subject& subject) {
  std::map<std::string, double> map;
  for (const auto& [name, list] : to_host(registry().find(measurement).make(subject)))
    map[name] = list.at(0);
  return map;
}

// The measured network in fp64, apart from it, at its present or its initial weights.
class Copy {
 public:
  explicit Copy(train::Experiment& measured) : experiment_(in_double(measured.options())) {
    const auto subject = measured.subject();
    initial_ = subject.initial_values.to(c10::kDouble);
    now_ = subject.parameters.values().to(c10::kDouble);
    auto& module = experiment_.model().module();
    const auto buffers = measured.model().module().named_buffers();
    for (auto& item : module.named_buffers()) item.value().copy_(buffers[item.key()]);
    module.eval();
  }

  void at_start() { move_to(initial_); }
  void at_present() { move_to(now_); }

  /// Flat, in the order of module.parameters().
  at::Tensor values() {
    std::vector<at::Tensor> parts;
    for (const auto& p : experiment_.model().module().parameters())
      parts.push_back(p.detach().clone().reshape({-1}));
    return at::cat(parts);
  }
  at::Tensor outputs(const at::Tensor& images) {
    const at::NoGradGuard no_grad;
    return experiment_.model().forward(images);
  }
  /// [N K, P].
  at::Tensor jacobian(const at::Tensor& images) {
    const auto f = experiment_.model().forward(images).reshape({-1});
    std::vector<at::Tensor> rows;
    for (int64_t i = 0; i < f.numel(); ++i) {
      std::vector<at::Tensor> parts;
      for (const auto& g : torch::autograd::grad({f[i]}, experiment_.model().module().parameters(),
                                                 {}, /*retain_graph=*/true))
        parts.push_back(g.reshape({-1}));
      rows.push_back(at::cat(parts));
    }
    return at::stack(rows);
  }

  /// d^T H d of each output, [N K].
  at::Tensor curvature(const at::Tensor& images, const at::Tensor& d) {
    const models::PlainOperators plain;
    const auto parameters = experiment_.model().module().parameters();
    const auto along = [&](const std::vector<at::Tensor>& parts) {
      at::Tensor sum = at::zeros({}, d.options());
      int64_t begin = 0;
      for (size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].defined())
          sum = sum + (parts[i].reshape({-1}) * d.narrow(0, begin, parameters[i].numel())).sum();
        begin += parameters[i].numel();
      }
      return sum;
    };
    const auto f = experiment_.model().forward(images).reshape({-1});
    std::vector<at::Tensor> rows;
    for (int64_t i = 0; i < f.numel(); ++i) {
      const auto slope = along(torch::autograd::grad({f[i]}, parameters, {}, true, true, true));
      rows.push_back(along(torch::autograd::grad({slope}, parameters, {}, true, false, true)));
    }
    return at::stack(rows).detach();
  }

 private:
  static train::TrainOptions in_double(train::TrainOptions options) {
    options.compute.precision = "fp64";
    return options;
  }
  void move_to(const at::Tensor& values) {
    const at::NoGradGuard no_grad;
    experiment_.parameters().values().copy_(values);
    experiment_.parameters().publish();
  }

  train::Experiment experiment_;
  at::Tensor initial_, now_;
};

at::Tensor first_images(const LabelledReader& split) {
  return split.reader.plain_batch(data::range(0, kSamples)).to(c10::kDouble);
}

double size_of(const at::Tensor& t) { return t.norm().item<double>(); }

// |f - f0 - J (theta - theta0)| / |J (theta - theta0)|
double distance(Copy& copy, const at::Tensor& images) {
  copy.at_present();
  const auto f = copy.outputs(images), theta = copy.values();
  copy.at_start();
  const auto change = at::mv(copy.jacobian(images), theta - copy.values()).view_as(f);
  return size_of(f - copy.outputs(images) - change) / size_of(change);
}

// K [N, N], the mean over the classes of <row n k, row m k>.
at::Tensor traced_kernel(const at::Tensor& j) {
  const auto rows = j.view({kSamples, -1, j.size(1)});
  auto sum = at::mm(rows.select(1, 0), rows.select(1, 0).t());
  for (int64_t k = 1; k < rows.size(1); ++k)
    sum += at::mm(rows.select(1, k), rows.select(1, k).t());
  return sum / static_cast<double>(rows.size(1));
}

struct LazyCase {
  const char* name;
  const char* model;
  const char* precision;
  double tolerance;
};
void PrintTo(const LazyCase& test, std::ostream* out) { *out << test.name; }

class LazyMeasurements : public ::testing::TestWithParam<LazyCase> {
 protected:
  LazyMeasurements() : run_(run_of(GetParam().model, GetParam().precision)) {}
  void train() {
    for (int64_t step = 0; step < kSteps; ++step) run_.run_step(step);
  }
  train::Experiment run_;
  double tolerance_ = GetParam().tolerance;
};

TEST_P(LazyMeasurements, BeginWithALazyNetwork) {
  const auto distance = measured_numbers("lazy-distance", run_.subject());
  EXPECT_EQ(distance.at("lazy_distance_train"), 0);
  EXPECT_EQ(distance.at("lazy_distance_test"), 0);
  const auto kernel = measured_numbers("ntk-change", run_.subject());
  EXPECT_DOUBLE_EQ(kernel.at("ntk_trace_ratio"), 1);
  EXPECT_EQ(kernel.at("ntk_distance"), 0);
  EXPECT_NEAR(kernel.at("ntk_alignment"), 1, 1e-6);
  for (const auto& [name, value] : registry().find("ntk-change").make(run_.subject()))
    EXPECT_EQ(value.dim(), 0) << name << ": only numbers without dimensions become curves of a run";
}

TEST_P(LazyMeasurements, DistanceIsThatFromTheTangentAtTheStart) {
  train();
  const auto measured = measured_numbers("lazy-distance", run_.subject());
  Copy copy(run_);
  for (const bool is_train : {true, false}) {
    const auto subject = run_.subject();
    const double expected = distance(copy, first_images(is_train ? subject.train : subject.test));
    EXPECT_GT(expected, 0.01);
    EXPECT_NEAR(measured.at(is_train ? "lazy_distance_train" : "lazy_distance_test") / expected, 1,
                tolerance_);
  }
}

// The second order output by output, as the derivative of the gradient.
TEST_P(LazyMeasurements, DistanceFromTheSecondOrder) {
  if (GetParam().precision != std::string("fp64")) GTEST_SKIP() << "the reference has fp64";
  train();
  auto subject = run_.subject();
  subject.probe.taylor_order = 2;
  const auto measured = measured_numbers("lazy-distance", subject);
  EXPECT_EQ(measured.at("lazy_distance_train"),
            measured_numbers("lazy-distance", run_.subject()).at("lazy_distance_train"));
  Copy copy(run_);
  const auto images = first_images(subject.train);
  copy.at_present();
  const auto f = copy.outputs(images), theta = copy.values();
  copy.at_start();
  const auto d = theta - copy.values();
  const auto f0 = copy.outputs(images);
  const auto polynomial =
      f0 + at::mv(copy.jacobian(images), d).view_as(f0) + copy.curvature(images, d).view_as(f0) / 2;
  const double expected = size_of(f - polynomial) / size_of(polynomial - f0);
  EXPECT_LT(expected, measured.at("lazy_distance_train"));
  EXPECT_NEAR(measured.at("lazy_distance_order2_train") / expected, 1, 1e-4);
}

TEST_P(LazyMeasurements, KernelChangeIsThatOfTheJacobians) {
  train();
  auto subject = run_.subject();
  subject.probe.split = "test";
  const auto measured = measured_numbers("ntk-change", subject);
  Copy copy(run_);
  const auto images = first_images(subject.test);
  copy.at_present();
  const auto now = traced_kernel(copy.jacobian(images));
  copy.at_start();
  const auto start = traced_kernel(copy.jacobian(images));
  const double ratio = now.trace().item<double>() / start.trace().item<double>();
  EXPECT_GT(std::abs(ratio - 1), 0.01);
  EXPECT_NEAR(measured.at("ntk_trace_ratio"), ratio, tolerance_ * ratio);
  const double off = size_of(now - start) / size_of(start);
  EXPECT_NEAR(measured.at("ntk_distance") / off, 1, 10 * tolerance_);
  EXPECT_NEAR(measured.at("ntk_alignment"),
              (now * start).sum().item<double>() / (size_of(now) * size_of(start)), tolerance_);
}

// Pruned weights are constants: they have no columns in the Jacobians.
TEST_P(LazyMeasurements, PrunedWeightsAreNoDirections) {
  auto& parameters = run_.parameters();
  at::manual_seed(1);
  parameters.set_mask(at::rand({parameters.num_weights()}) > 0.5);
  parameters.zero_pruned_(run_.subject().initial_values);
  train();
  auto subject = run_.subject();
  const auto measured = measured_numbers("ntk-change", subject);
  const auto flat_mask = at::ones_like(parameters.values());
  parameters.zero_pruned_(flat_mask);
  std::map<std::string, at::Tensor> masks;
  for (const auto& segment : parameters.segments())
    masks[segment.name] = optim::FlatParameters::view(flat_mask, segment);
  std::vector<at::Tensor> columns;  // as those of Copy::jacobian
  for (const auto& item : run_.model().module().named_parameters())
    columns.push_back(masks.at(item.key()).reshape({-1}).to(c10::kDouble));
  const auto mask = at::cat(columns);
  Copy copy(run_);
  const auto images = first_images(subject.train);
  copy.at_present();
  const auto now = traced_kernel(copy.jacobian(images) * mask);
  copy.at_start();
  const auto start = traced_kernel(copy.jacobian(images) * mask);
  EXPECT_NEAR(measured.at("ntk_trace_ratio"),
              now.trace().item<double>() / start.trace().item<double>(), tolerance_);
  EXPECT_NEAR(measured.at("ntk_distance") / (size_of(now - start) / size_of(start)), 1,
              10 * tolerance_);
  const double expected = distance(copy, images);
  EXPECT_NEAR(measured_numbers("lazy-distance", subject).at("lazy_distance_train") / expected, 1,
              tolerance_);
}

TEST_P(LazyMeasurements, FirstLayerIsThatOfTheMasterWeights) {
  train();
  const auto measured = measured_numbers("first-layer", run_.subject());
  // The first weights that the network names, one neuron after another.
  const auto tensors = run_.named_tensors();
  const auto& weights = tensors.at(0).second;
  double squares = 0, sum = 0;
  std::vector<double> norms;
  for (int64_t i = 0; i < weights.size(0); ++i) {
    norms.push_back(size_of(weights[i].detach().to(c10::kDouble)));
    sum += norms.back();
    squares += norms.back() * norms.back();
  }
  const double n = static_cast<double>(norms.size()), mean = sum / n;
  EXPECT_NEAR(measured.at("first_layer_norm"), std::sqrt(squares), 1e-12 * std::sqrt(squares));
  EXPECT_NEAR(measured.at("first_layer_neuron_mean"), mean, 1e-12);
  double variance = 0;
  for (const double x : norms) variance += (x - mean) * (x - mean) / n;
  EXPECT_NEAR(measured.at("first_layer_neuron_std"), std::sqrt(variance), 1e-12);
  EXPECT_EQ(measured.contains("first_layer_escaped"), std::string(GetParam().model) == "mlp");
}

// The mlp has fused nothing; the wrn has BatchNorm whose statistics moved; in bf16 the run itself
// is much too coarse for either number, its masters are not.
INSTANTIATE_TEST_SUITE_P(Networks, LazyMeasurements,
                         ::testing::Values(LazyCase{"Mlp", "mlp", "fp64", 1e-9},
                                           LazyCase{"BatchNorm", "wrn", "fp64", 1e-8},
                                           LazyCase{"MlpInBf16", "mlp", "bf16", 1e-4},
                                           LazyCase{"BatchNormInBf16", "wrn", "bf16", 1e-3}),
                         [](const auto& test) { return test.param.name; });

// Definition 1's ball has radius 1 / sqrt(m).
TEST(FirstLayer, NeuronsOutsideTheBallHaveEscaped) {
  train::Experiment run(run_of("mlp", "fp64"));
  const double radius = 1 / std::sqrt(12.0);
  EXPECT_EQ(measured_numbers("first-layer", run.subject()).at("first_layer_escaped"), 0);
  const at::NoGradGuard no_grad;
  const auto weights = run.named_tensors().at(0).second;
  ASSERT_EQ(weights.size(0), 12);
  const auto step = at::ones({weights.size(1)}, weights.options()) /
                    std::sqrt(static_cast<double>(weights.size(1)));  // of norm 1
  for (int64_t i = 0; i < 5; ++i) weights[i].add_(step, 1.001 * radius);
  for (int64_t i = 5; i < 9; ++i) weights[i].sub_(step, 0.999 * radius);
  EXPECT_DOUBLE_EQ(measured_numbers("first-layer", run.subject()).at("first_layer_escaped"),
                   5.0 / 12);
}

TEST(FirstLayer, EscapeIsDefinedForTwoLayersOnly) {
  for (const int64_t hidden : {0, 2}) {
    auto options = run_of("mlp", "fp64");
    options.model.hidden_layers = hidden;
    train::Experiment run(options);
    EXPECT_FALSE(measured_numbers("first-layer", run.subject()).contains("first_layer_escaped"));
  }
}

TEST(NtkChange, TakesNoMoreMemoryThanItIsGiven) {
  train::Experiment experiment(run_of("mlp", "fp64"));
  auto subject = experiment.subject();
  subject.probe.ntk_memory = 0;
  testing::expect_error([&] { registry().find("ntk-change").make(subject); },
                        "ntk: batch and memory must be > 0");
}

}  // namespace
}  // namespace unlazy::measure
