// Hessian products of networks from Python: normalisations are taken apart for them, and where
// LibTorch lacks a derivative (softmax) there is an error.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "measure/loss_surface.h"
#include "support/small_run.h"
#include "train/experiment.h"

namespace unlazy::measure {
namespace {

TEST(ExportedDerivatives, HessianProductsAreSlopesOfTheGradient) {
  for (const std::string name : {"plain", "resnet"}) {
    SCOPED_TRACE(name);
    auto options = testing::small_run();
    options.model.name = "file:" UNLAZY_SOURCE_DIR "/tests/models/exported/" + name + ".pt2";
    options.measure.probe.samples = 8;
    train::Experiment experiment(options);
    const auto subject = experiment.subject();
    LossSurface surface(subject);
    auto rng = probe_rng("a direction");
    const auto v = surface.normals(rng);
    const auto product = surface.hessian_vector(v);
    const at::NoGradGuard no_grad;
    const double h = 1e-9;  // so small that no ReLU is passed
    const auto center = surface.point().clone();
    const auto gradient_at = [&](double step) {
      surface.point().copy_(center + step * v);
      return surface.gradient().clone();
    };
    const auto slope = (gradient_at(h) - gradient_at(-h)) / (2 * h);
    EXPECT_LT((product - slope).norm().item<double>(), 1e-4 * slope.norm().item<double>());
  }
}

TEST(ExportedDerivatives, AHessianThatLibTorchCannotHaveIsAnError) {
  auto options = testing::small_run();
  options.model.name = "file:" UNLAZY_SOURCE_DIR "/tests/models/exported/attention.pt2";
  options.measure.probe.samples = 2;
  train::Experiment experiment(options);
  const auto subject = experiment.subject();
  LossSurface surface(subject);
  try {
    surface.hessian_vector(surface.point());
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("LibTorch lacks a derivative"), std::string::npos);
  }
}

}  // namespace
}  // namespace unlazy::measure
