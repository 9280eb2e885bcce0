// Measurements that differentiate, on a network small enough for its whole Hessian: two ways each.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <cmath>

#include "measure/lanczos.h"
#include "measure/loss_surface.h"
#include "support/expect_error.h"

namespace unlazy::measure {
namespace {

// A perceptron of 195 parameters on 24 random images of 2 x 2 pixels, in fp64.
class Small {
 public:
  Small() {
    at::manual_seed(3);
    dataset_.images = at::randint(0, 256, {24, 2, 2, 3}, c10::kByte);
    dataset_.labels = at::randint(0, 3, {24}, c10::kLong);
    dataset_.classes = {"a", "b", "c"};
    models::ModelOptions options;
    options.name = "mlp";
    options.hidden_layers = 1;
    options.hidden_width = 12;
    model_ = models::make_model(options, {3, 2, 2, 3}, 1);
    model_->module().train();
    parameters_ =
        std::make_unique<optim::FlatParameters>(model_->module(), c10::kCPU, c10::kDouble);
    const data::Normalization normalization{{.5, .5, .5}, {.25, .25, .25}};
    reader_ = std::make_unique<data::BatchReader>(dataset_, normalization, data::BatchOptions{}, 0,
                                                  c10::kCPU, c10::kDouble);
    probe.samples = 0;
    probe.lanczos_steps = 195;
  }

  Subject subject() {
    return {*model_,
            *parameters_,
            loss_,
            {*reader_, dataset_.labels},
            {*reader_, dataset_.labels},
            parameters_->values(),
            3,
            /*batch_size=*/10,  // the last chunk is smaller
            probe};
  }
  optim::FlatParameters& parameters() { return *parameters_; }

  at::Tensor dense_hessian() {
    const auto subject = this->subject();
    LossSurface surface(subject);
    std::vector<at::Tensor> columns;
    const auto identity = at::eye(195, c10::kDouble);
    for (int64_t i = 0; i < 195; ++i) columns.push_back(surface.hessian_vector(identity[i]));
    return at::stack(columns);
  }

  ProbeOptions probe;

 private:
  data::Dataset dataset_;
  std::shared_ptr<models::Model> model_;
  std::unique_ptr<optim::FlatParameters> parameters_;
  std::unique_ptr<data::BatchReader> reader_;
  optim::Loss loss_{optim::LossOptions{}};
};

std::vector<Value> measure_of(const std::string& name, Small& small) {
  return registry().find(name).make(small.subject());
}

double find(const std::vector<Value>& values, const std::string& name) {
  for (const auto& value : values) {
    if (value.name == name) return value.value.item<double>();
  }
  ADD_FAILURE() << "no value " << name;
  return std::nan("");
}

TEST(Derivatives, HessianIsTheSlopeOfTheGradient) {
  Small small;
  const auto hessian = small.dense_hessian();
  EXPECT_LT((hessian - hessian.t()).abs().max().item<double>(), 1e-14);
  const auto subject = small.subject();
  LossSurface surface(subject);
  auto rng = probe_rng("a direction");
  const auto v = surface.normals(rng);
  const auto center = surface.point().clone();
  const double h = 1e-6;
  at::NoGradGuard no_grad;
  surface.point().copy_(center + v * h);
  const auto ahead = surface.gradient();
  const double loss_ahead = surface.loss().item<double>();
  surface.point().copy_(center - v * h);
  const auto behind = surface.gradient();
  const double loss_behind = surface.loss().item<double>();
  surface.point().copy_(center);
  const auto slope = (ahead - behind) / (2 * h);
  EXPECT_LT((slope - hessian.mv(v)).norm().item<double>(), 1e-6 * slope.norm().item<double>());
  EXPECT_NEAR((loss_ahead - loss_behind) / (2 * h), surface.gradient().dot(v).item<double>(), 1e-8);
}

TEST(Derivatives, LanczosAgreesWithADenseEigensolver) {
  Small small;
  ASSERT_EQ(small.parameters().size(), 195);
  small.probe.top = 5;
  const auto eigenvalues = at::linalg_eigvalsh(small.dense_hessian());
  const auto values = measure_of("hessian-top", small);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(find(values, "hessian_top_" + std::to_string(i + 1)),
                eigenvalues[194 - i].item<double>(), 1e-8);
  }
  EXPECT_LE(find(values, "hessian_top_residual"), 1e-8);
}

// Without re-orthogonalisation the large eigenvalues come back as copies long before step 60.
TEST(Lanczos, FindsEachEigenvalueOnce) {
  std::vector<double> wanted;
  for (int i = 0; i < 60; ++i) wanted.push_back(i < 55 ? 1e-3 * i : std::pow(4.0, i - 50));
  const auto diagonal = at::tensor(wanted, c10::kDouble);
  const auto start = at::tensor(std::vector<double>(60, 1.0), c10::kDouble);
  const auto found = lanczos([&](const at::Tensor& v) { return diagonal * v; }, start, 60);
  ASSERT_EQ(found.values.numel(), 60);
  EXPECT_LT((found.values - diagonal).abs().max().item<double>(), 1e-9);
  EXPECT_NEAR(found.weights.sum().item<double>(), 1, 1e-12);
  EXPECT_LT((found.weights - 1.0 / 60).abs().max().item<double>(), 1e-6);
}

TEST(Lanczos, StopsWhenTheWantedValuesHaveConverged) {
  std::vector<double> wanted;
  for (int i = 0; i < 200; ++i) wanted.push_back(i < 198 ? 1e-3 * i : 10.0 * (i - 197));
  const auto diagonal = at::tensor(wanted, c10::kDouble);
  const auto start = at::tensor(std::vector<double>(200, 1.0), c10::kDouble);
  int num_products = 0;
  const auto apply = [&](const at::Tensor& v) {
    ++num_products;
    return diagonal * v;
  };
  const auto found = lanczos(apply, start, 100, /*num_top=*/2, 1e-6);
  EXPECT_LT(num_products, 12);
  EXPECT_EQ(found.values.numel(), num_products);
  EXPECT_NEAR(found.values[num_products - 1].item<double>(), 20, 1e-9);
  EXPECT_NEAR(found.values[num_products - 2].item<double>(), 10, 1e-9);
}

TEST(Derivatives, LongMeasurementsTellHowFarTheyAre) {
  Small small;
  small.probe.probes = 5;
  auto subject = small.subject();
  std::vector<int64_t> done;
  subject.on_progress = [&](int64_t now, int64_t at_most) {
    done.push_back(now);
    EXPECT_EQ(at_most, 5);
  };
  registry().find("hessian-trace").make(subject);
  EXPECT_EQ(done, (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Lanczos, StopsInAnInvariantSpaceAndOfAZeroOperator) {
  const auto start = at::tensor({1.0, 1.0, 0.0, 0.0}, c10::kDouble);
  const auto diagonal = at::tensor({2.0, -1.0, 5.0, 7.0}, c10::kDouble);
  const auto found = lanczos([&](const at::Tensor& v) { return diagonal * v; }, start, 4);
  ASSERT_EQ(found.values.numel(), 2);
  EXPECT_NEAR(found.values[0].item<double>(), -1, 1e-14);
  EXPECT_NEAR(found.values[1].item<double>(), 2, 1e-14);
  const auto zero = lanczos([&](const at::Tensor& v) { return v * 0.0; }, start, 4, 1, 1e-8);
  EXPECT_EQ(zero.values.max().item<double>(), 0);
}

TEST(Derivatives, EstimatesAreWithinThreeStandardErrors) {
  Small small;
  small.probe.probes = 40;
  const auto hessian = small.dense_hessian();
  const double trace = hessian.trace().item<double>();
  const auto hutchinson = measure_of("hessian-trace", small);
  const double error = find(hutchinson, "hessian_trace_stderr");
  EXPECT_NEAR(find(hutchinson, "hessian_trace"), trace, 3 * error);
  EXPECT_LT(error, 0.2 * std::abs(trace)) << "a useless estimate would pass";

  small.probe.lanczos_steps = 30;
  const auto density = measure_of("hessian-density", small);
  EXPECT_NEAR(find(density, "hessian_density_mean"), trace / 195,
              3 * find(density, "hessian_density_mean_stderr"));
  EXPECT_NEAR(find(density, "hessian_density_mean_square"),
              hessian.pow(2).sum().item<double>() / 195,
              3 * find(density, "hessian_density_mean_square_stderr"));
  const auto eigenvalues = at::linalg_eigvalsh(hessian);
  EXPECT_NEAR(find(density, "hessian_density_max"), eigenvalues[194].item<double>(), 1e-6);
  EXPECT_NEAR(find(density, "hessian_density_min"), eigenvalues[0].item<double>(), 1e-6);
  at::Tensor x, y;
  for (const auto& value : density) {
    if (value.name == "hessian_density_x") x = value.value;
    if (value.name == "hessian_density_y") y = value.value;
  }
  EXPECT_NEAR((y.sum() * (x[1] - x[0])).item<double>(), 1, 1e-3) << "a density";
}

// Small under a random mask. The pruned weights are 0 with and without it.
class Masked : public Small {
 public:
  Masked() {
    mask = at::rand({parameters().num_weights()}) > 0.5;
    parameters().set_mask(mask);
    parameters().set_mask({});
    hessian = dense_hessian();
    free = at::ones({parameters().size()}, c10::kBool);
    free.narrow(0, 0, mask.numel()).copy_(mask);
    parameters().set_mask(mask);
  }
  // [F, F], of the free parameters.
  at::Tensor free_hessian() const {
    const auto places = free.nonzero().flatten();
    return hessian.index_select(0, places).index_select(1, places);
  }
  at::Tensor mask, free, hessian;
};

TEST(MaskedDerivatives, HaveNoPartFromPrunedWeights) {
  Masked small;
  const auto subject = small.subject();
  LossSurface surface(subject);
  EXPECT_EQ(surface.num_free(), small.free.sum().item<int64_t>());
  EXPECT_LT(surface.num_free(), 130);
  auto rng = probe_rng("a direction");
  const auto v = normals_like(surface.point(), rng);  // also along the pruned weights
  const auto expected = small.hessian.mv(v * small.free) * small.free;
  const auto product = surface.hessian_vector(v);
  EXPECT_LT((product - expected).norm().item<double>(), 1e-14 * expected.norm().item<double>());
  const auto pruned = small.free.logical_not();
  for (const auto& part : {product, surface.gradient(), surface.gradient({3, 17}),
                           surface.signs(rng), surface.normals(rng)}) {
    EXPECT_EQ(part.masked_select(pruned).abs().max().item<double>(), 0);
    EXPECT_GT(part.masked_select(small.free).abs().max().item<double>(), 0);
  }
}

TEST(MaskedDerivatives, MeasurementsAreThoseOfTheFreeParameters) {
  Masked small;
  small.probe.probes = 6;
  const auto hessian = small.free_hessian();
  const auto eigenvalues = at::linalg_eigvalsh(hessian);
  const int64_t count = hessian.size(0);
  const double trace = hessian.trace().item<double>();
  const auto density = measure_of("hessian-density", small);
  EXPECT_NEAR(find(density, "hessian_density_mean"), trace / static_cast<double>(count),
              3 * find(density, "hessian_density_mean_stderr"));
  EXPECT_NEAR(find(density, "hessian_density_max"), eigenvalues[count - 1].item<double>(), 1e-6);
  EXPECT_NEAR(find(density, "hessian_density_min"), eigenvalues[0].item<double>(), 1e-6);
  EXPECT_NEAR(find(measure_of("hessian-top", small), "hessian_top_1"),
              eigenvalues[count - 1].item<double>(), 1e-8);
  small.probe.probes = 60;
  const auto hutchinson = measure_of("hessian-trace", small);
  EXPECT_NEAR(find(hutchinson, "hessian_trace"), trace,
              3 * find(hutchinson, "hessian_trace_stderr"));
}

TEST(MaskedDerivatives, SquaredJacobianIsThatOfTheFreeParameters) {
  Masked small;
  small.probe.samples = 1;  // one chunk: norm(J^T v)^2 for one v
  const auto subject = small.subject();
  double all = 0, wanted = 0;
  at::Tensor f;
  auto rng = probe_rng("signs");
  const auto images = subject.train.reader.plain_batch({0});
  f = subject.model.forward(images);
  std::vector<double> signs;
  for (int64_t k = 0; k < 3; ++k) signs.push_back(rng.sign());
  small.parameters().set_mask({});
  small.parameters().clear_gradients();
  (f * at::tensor(signs, c10::kDouble)).sum().backward();
  small.parameters().collect_gradients(true);
  const auto gradient = small.parameters().gradients().clone();
  all = gradient.pow(2).sum().item<double>();
  wanted = (gradient * small.free).pow(2).sum().item<double>();
  small.parameters().set_mask(small.mask);
  LossSurface surface(subject);
  rng = probe_rng("signs");
  EXPECT_NEAR(surface.squared_jacobian(rng).item<double>(), wanted, 1e-12 * wanted);
  EXPECT_GT(all, 1.2 * wanted) << "a mask that changes nothing would pass";
}

TEST(Derivatives, NtkTraceIsThatOfTheJacobian) {
  Small small;
  small.probe.probes = 60;
  // By the definition: a gradient for each output of each sample, of the network itself.
  double wanted = 0;
  const auto subject = small.subject();
  for (int64_t n = 0; n < 24; ++n) {
    for (int64_t k = 0; k < 3; ++k) {
      small.parameters().clear_gradients();
      subject.model.forward(subject.train.reader.plain_batch({n}))[0][k].backward();
      small.parameters().collect_gradients(true);
      wanted += small.parameters().gradients().pow(2).sum().item<double>() / 24;
    }
  }
  const auto values = measure_of("ntk-trace", small);
  const double error = find(values, "ntk_trace_stderr");
  EXPECT_NEAR(find(values, "ntk_trace"), wanted, 3 * error);
  EXPECT_LT(error, 0.1 * wanted);
}

TEST(Derivatives, GradientCovarianceOfSingleSamples) {
  Small small;
  const auto subject = small.subject();
  std::vector<at::Tensor> gradients;
  {
    LossSurface surface(subject);
    for (int64_t n = 0; n < 24; ++n) gradients.push_back(surface.gradient({n, n + 1}));
    EXPECT_LT((at::stack(gradients).mean(0) - surface.gradient()).abs().max().item<double>(),
              1e-15);
  }
  const double trace = at::stack(gradients).var(0).sum().item<double>();
  const double norm = at::stack(gradients).mean(0).pow(2).sum().item<double>();
  small.probe.group = 1;
  EXPECT_NEAR(find(measure_of("gradient-covariance", small), "gradient_covariance_trace"), trace,
              1e-12);
  EXPECT_NEAR(find(measure_of("gradient-noise-scale", small), "gradient_noise_scale"),
              trace / (norm - trace / 24), 1e-9);
  // B (E norm(g_B)^2 - norm(g)^2), bias of the sample mean removed
  small.probe.group = 8;
  std::vector<at::Tensor> means;
  for (int64_t b = 0; b < 3; ++b) means.push_back(at::stack(gradients).narrow(0, 8 * b, 8).mean(0));
  EXPECT_NEAR(find(measure_of("gradient-covariance", small), "gradient_covariance_trace"),
              8 * at::stack(means).var(0).sum().item<double>(), 1e-12);
  small.probe.group = 13;
  testing::expect_misuse([&] { measure_of("gradient-covariance", small); },
                         "gradient covariance: needs two batches of 13 samples at least, but "
                         "measures on 24 samples; use more of them or a smaller group");
}

TEST(Derivatives, SharpnessOfAQuadraticModelOfTheLoss) {
  Small small;
  small.probe.rho = 1e-3;
  const auto subject = small.subject();
  const auto hessian = small.dense_hessian();
  at::Tensor g;
  {
    LossSurface surface(subject);
    g = surface.gradient();
  }
  const double norm = g.norm().item<double>(), rho = 1e-3;
  const auto u = g / norm;
  const double one_step = find(measure_of("sharpness", small), "sharpness");
  EXPECT_NEAR(one_step, rho * norm + rho * rho / 2 * u.dot(hessian.mv(u)).item<double>(), 1e-8);
  const double ascent = find(measure_of("sharpness-pga", small), "sharpness_pga");
  EXPECT_GE(ascent, one_step);
  const double top = at::linalg_eigvalsh(hessian)[194].item<double>();
  EXPECT_LE(ascent, rho * norm + rho * rho / 2 * top + 1e-8);
  // rho^2 / 2 tr(H) / P, the slope averages out
  small.probe.rho = 0.05;
  small.probe.probes = 400;
  const auto average = measure_of("sharpness-average", small);
  EXPECT_NEAR(find(average, "sharpness_average"),
              0.05 * 0.05 / 2 * hessian.trace().item<double>() / 195,
              3 * find(average, "sharpness_average_stderr"));
}

TEST(Derivatives, SharpnessInTheBallIsFoundByAscent) {
  // At rho = 2 the loss is far from linear: ascent must find more than the one step.
  Small small;
  small.probe.rho = 2;
  EXPECT_GT(find(measure_of("sharpness-pga", small), "sharpness_pga"),
            1.01 * find(measure_of("sharpness", small), "sharpness"));
}

TEST(Layers, NormsAndRanks) {
  Small small;
  at::NoGradGuard no_grad;
  auto& flat = small.parameters();
  flat.values().zero_();
  const auto& first = flat.segments()[0];
  ASSERT_EQ(first.name, "layers.0.weight");
  auto w = optim::FlatParameters::view(flat.values(), first);  // [12, 12]
  w[0][0] = 3.0;
  w[1][1] = 3.0;
  w[2][2] = -4.0;
  EXPECT_NEAR(find(measure_of("layer-norms", small), "weight_norm/layers.0"), std::sqrt(34.0),
              1e-14);
  EXPECT_NEAR(find(measure_of("nuclear-norm", small), "nuclear_norm/layers.0"), 10, 1e-13);
  const double entropy = -2 * .3 * std::log(.3) - .4 * std::log(.4);
  EXPECT_NEAR(find(measure_of("effective-rank", small), "effective_rank/layers.0"),
              std::exp(entropy), 1e-12);
}

TEST(Layers, ActivationSparsityCountsZeros) {
  Small small;
  const auto subject = small.subject();
  // By hand: the hidden layer of the perceptron on all images.
  std::vector<int64_t> all(24);
  for (int64_t n = 0; n < 24; ++n) all[static_cast<size_t>(n)] = n;
  const auto& segments = small.parameters().segments();
  const auto& values = small.parameters().values();
  at::Tensor weight, bias;
  for (const auto& segment : segments) {
    if (segment.name == "layers.0.weight") weight = optim::FlatParameters::view(values, segment);
    if (segment.name == "layers.0.bias") bias = optim::FlatParameters::view(values, segment);
  }
  const auto before =
      subject.train.reader.plain_batch(all).contiguous().flatten(1).matmul(weight.t()) + bias;
  const double wanted = (before <= 0).to(c10::kDouble).mean().item<double>();
  const auto found = measure_of("activation-sparsity", small);
  EXPECT_DOUBLE_EQ(find(found, "activation_sparsity"), wanted);
  EXPECT_DOUBLE_EQ(find(found, "activation_sparsity/relu1"), wanted);
  EXPECT_EQ(found.size(), 2u);
  EXPECT_GT(wanted, 0.1);
}

TEST(Measurements, LogarithmicStepsAreDenseAtFirst) {
  std::vector<int64_t> steps;
  for (int64_t step = 0; step <= 300; ++step) {
    if (is_log_step(step)) steps.push_back(step);
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 300}));
}

TEST(Measurements, EntriesAndTheirSettings) {
  MeasureOptions options;
  options.names = {"test", "hessian-top:every=3ep"};
  options.every = Step::iterations(7);
  const auto list = requests(options);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].every, Step::iterations(7));
  EXPECT_EQ(list[1].name, "hessian-top");
  EXPECT_EQ(list[1].every, Step::epochs(3));
  EXPECT_FALSE(list[1].is_log);
  options.names = {"ntk-change:every=log"};
  EXPECT_TRUE(requests(options)[0].is_log);
  const auto parse = [&](const std::string& text) {
    Options("train", {describe(options), describe(options.probe, "measure-")})
        .parse({"--measure", text});
    requests(options);
  };
  parse("test,hessian-trace:every=100it");
  EXPECT_EQ(options.names[1], "hessian-trace:every=100it");
  testing::expect_misuse([&] { parse("hessian-tpo:every=1ep"); },
                         "--measure: there is no 'hessian-tpo'; did you mean 'hessian-top'?");
  testing::expect_misuse([&] { parse("hessian-top:evry=1ep"); },
                         "--measure: hessian-top:evry=1ep has an unknown setting; write "
                         "hessian-top:every=LENGTH, such as hessian-top:every=10ep");
}

}  // namespace
}  // namespace unlazy::measure
