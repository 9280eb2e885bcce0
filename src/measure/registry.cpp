#include <ATen/ops/cat.h>

#include <algorithm>

#include "core/error.h"
#include "measure/measurement.h"

namespace unlazy::measure {

Measure measure_test, measure_test_recalibrated, measure_train_set, measure_weight_norm,
    measure_gradient_norm, measure_distance, measure_layer_norms, measure_effective_rank,
    measure_nuclear_norm, measure_activation_sparsity, measure_hessian_top, measure_hessian_trace,
    measure_hessian_density, measure_ntk_trace, measure_gradient_covariance,
    measure_gradient_noise_scale, measure_sharpness, measure_sharpness_pga,
    measure_sharpness_average, measure_lazy_distance, measure_ntk_change, measure_first_layer;

const Registry<Measure>& registry() {
  static const Registry<Measure> measurements(
      "measurement",
      {
          {"test", "loss and accuracy on the test set", measure_test},
          {"test-recalibrated",
           "the same with BatchNorm's statistics collected again, not as a moving average",
           measure_test_recalibrated},
          {"train-set",
           "loss and accuracy on the whole training set, clean labels, no augmentation",
           measure_train_set},
          {"weight-norm", "Euclidean norm of all parameters", measure_weight_norm},
          {"gradient-norm", "Euclidean norm of the last update's gradient", measure_gradient_norm},
          {"distance", "Euclidean distance of all parameters from initialisation",
           measure_distance},
          {"layer-norms", "Euclidean norm of each layer's weights", measure_layer_norms},
          {"effective-rank", "exponential of the entropy of each layer's singular values",
           measure_effective_rank},
          {"nuclear-norm", "sum of each layer's singular values", measure_nuclear_norm},
          {"activation-sparsity", "fraction of zeros behind the ReLUs",
           measure_activation_sparsity},
          {"hessian-top", "largest eigenvalues of the Hessian, by Lanczos", measure_hessian_top},
          {"hessian-trace", "trace of the Hessian, by Hutchinson's estimate",
           measure_hessian_trace},
          {"hessian-density", "spectral density of the Hessian, by stochastic Lanczos quadrature",
           measure_hessian_density},
          {"ntk-trace", "trace of the neural tangent kernel, per sample", measure_ntk_trace},
          {"gradient-covariance", "B (E norm(g_B)^2 - norm(g)^2), trace of the noise of gradients",
           measure_gradient_covariance},
          {"gradient-noise-scale", "the batch size at which noise and gradient are equally large",
           measure_gradient_noise_scale},
          {"sharpness", "rise of the loss after SAM's step of length rho", measure_sharpness},
          {"sharpness-pga", "greatest rise within rho found by projected gradient ascent",
           measure_sharpness_pga},
          {"sharpness-average", "mean rise of the loss at distance rho in random directions",
           measure_sharpness_average},
          {"lazy-distance", "relative distance from the network linearised at initialisation",
           measure_lazy_distance},
          {"ntk-change", "traced neural tangent kernel compared with that at initialisation",
           measure_ntk_change},
          {"first-layer", "norm of the first layer and of its neurons", measure_first_layer},
      });
  return measurements;
}

OptionTable describe(MeasureOptions& o) {
  return {
      "Measurements",
      {{.name = "measure",
        .target = &o.names,
        .help = "What to measure during training, each as NAME or NAME:every=LENGTH; every=log: "
                "at 0, 1, 2, 3, 5, 7, 10, 20, .. steps.",
        .choices = registry().choices(),
        .has_settings = true,
        .role = Role::kCurve,
        .is_common = true},
       {.name = "measure-every",
        .target = &o.every,
        .range = Range::above(0),
        .help = "How often to measure; always also before the first step and at the end.",
        .role = Role::kCurve}}};
}

OptionTable describe(ProbeOptions& o, const std::string& prefix) {
  return {"Measurements that differentiate",
          {{.name = prefix + "split",
            .target = &o.split,
            .help = "The split on which derivatives, sharpness and activations are measured, with "
                    "clean labels and no augmentation.",
            .choices = {{"train", "training set"}, {"test", "test set"}},
            .role = Role::kCurve},
           {.name = prefix + "samples",
            .target = &o.samples,
            .range = Range::at_least(0),
            .unit = "samples",
            .help = "Use the first N samples of that split; 0: all.",
            .role = Role::kCurve},
           {.name = prefix + "bn-statistics",
            .target = &o.statistics,
            .help = "BatchNorm's statistics while derivatives, sharpness and activations are "
                    "measured. At a large learning rate the moving average lags behind the "
                    "weights. test-recalibrated always collects them again.",
            .choices = {{"running", "the moving average that training left"},
                        {"recalibrated", "collected again, on training images"}},
            .role = Role::kCurve},
           {.name = prefix + "bn-samples",
            .target = &o.statistics_samples,
            .range = Range::at_least(0),
            .unit = "samples",
            .help = "Number of training images, augmented as in training, over which recalibrated "
                    "statistics are averaged; 0: all.",
            .role = Role::kCurve},
           {.name = prefix + "top",
            .target = &o.top,
            .range = Range::at_least(1),
            .help = "Number of eigenvalues of hessian-top.",
            .role = Role::kCurve},
           {.name = prefix + "probes",
            .target = &o.probes,
            .range = Range::at_least(2),
            .help = "Number of random vectors of hessian-trace, hessian-density, ntk-trace and "
                    "sharpness-average.",
            .role = Role::kCurve},
           {.name = prefix + "lanczos-steps",
            .target = &o.lanczos_steps,
            .range = Range::at_least(1),
            .help = "Largest number of Lanczos steps; each keeps one vector of the parameters' "
                    "size in memory.",
            .role = Role::kCurve},
           {.name = prefix + "rho",
            .target = &o.rho,
            .range = Range::above(0),
            .help = "Radius of sharpness, sharpness-pga and sharpness-average.",
            .role = Role::kCurve},
           {.name = prefix + "taylor-order",
            .target = &o.taylor_order,
            .range = Range::closed(1, 2),
            .help = "2: lazy-distance also says how far the network is from its Taylor polynomial "
                    "of order 2.",
            .role = Role::kCurve},
           {.name = prefix + "group",
            .target = &o.group,
            .range = Range::at_least(1),
            .unit = "samples",
            .help = "Batch size B of gradient-covariance and gradient-noise-scale.",
            .role = Role::kCurve}}};
}

bool is_log_step(int64_t step) {
  while (step >= 10 && step % 10 == 0) step /= 10;
  return step <= 3 || step == 5 || step == 7;
}

std::vector<Request> requests(const MeasureOptions& options) {
  constexpr std::string_view kEvery = "every=";
  std::vector<Request> list;
  for (const auto& text : options.names) {
    const auto colon = text.find(':');
    Request request{text.substr(0, colon), options.every};
    registry().find(request.name);
    if (colon != std::string::npos) {
      const auto setting = text.substr(colon + 1);
      UNLAZY_CHECK_USAGE(setting.starts_with(kEvery), "--measure: ", text,
                         " has an unknown setting; write ", request.name, ":every=LENGTH, such as ",
                         request.name, ":every=10ep");
      request.is_log = setting == "every=log";
      if (!request.is_log)
        request.every = Step::parse(setting.substr(kEvery.size()), "--measure " + request.name);
      UNLAZY_CHECK_USAGE(request.every.count() > 0, "--measure ", text,
                         ": a measurement every 0 steps cannot be made; give a length above 0");
    }
    UNLAZY_CHECK_USAGE(std::none_of(list.begin(), list.end(),
                                    [&](const Request& r) { return r.name == request.name; }),
                       "--measure: ", request.name, " stands there twice; leave one out");
    list.push_back(std::move(request));
  }
  return list;
}

void check_linearised(const std::string& name, int64_t order) {
  UNLAZY_CHECK_USAGE(name != "lazy-distance" && name != "ntk-change", "measure: ", name,
                     " compares a network with its linearisation, and a linearised network is its "
                     "own; leave it out of --measure");
  UNLAZY_CHECK_USAGE(order == 1 || !name.starts_with("hessian-"), "measure: ", name,
                     " is there for --linearised 1, not for order 2; leave it out of --measure");
}

std::vector<std::pair<std::string, std::vector<double>>> to_host(const std::vector<Value>& values) {
  std::vector<std::pair<std::string, std::vector<double>>> list;
  if (values.empty()) return list;
  std::vector<at::Tensor> parts;
  c10::Device device = c10::kCPU;  // small results of Lanczos are there already
  for (const auto& value : values) {
    parts.push_back(value.value.detach().to(c10::kDouble).flatten());
    if (!parts.back().is_cpu()) device = parts.back().device();
  }
  for (auto& part : parts) part = part.to(device);
  const auto host = at::cat(parts).cpu();  // the one wait for the device
  const double* next = host.const_data_ptr<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    const auto count = parts[i].numel();
    list.emplace_back(values[i].name, std::vector<double>(next, next + count));
    next += count;
  }
  return list;
}

}  // namespace unlazy::measure
