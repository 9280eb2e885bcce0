#include "measure/loss_surface.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "linearise/linearised_model.h"

namespace unlazy::measure {
namespace {

using optim::FlatParameters;

template <class Draw>
at::Tensor drawn(const at::Tensor& like, at::IntArrayRef shape, const Draw& draw) {
  const auto host = at::empty(shape, at::TensorOptions().dtype(c10::kFloat));
  float* values = host.mutable_data_ptr<float>();
  std::generate(values, values + host.numel(), [&] { return static_cast<float>(draw()); });
  return host.to(like.options());
}

}  // namespace

LossSurface::LossSurface(const Subject& subject, models::PlainOperators::Derivatives derivatives)
    : subject_(subject),
      data_(subject.probe.split == "test" ? subject.test : subject.train),
      num_samples_(data_.labels.size(0)),
      mode_(subject.model.module()),
      buffers_(subject.model.module()),
      plain_(derivatives),
      point_(subject.parameters.values().clone()) {
  if (subject.probe.samples > 0) num_samples_ = std::min(num_samples_, subject.probe.samples);
  std::map<std::string, at::Tensor> by_name;
  for (const auto& item : subject.model.module().named_parameters())
    by_name[item.key()] = item.value();
  for (const auto& segment : subject.parameters.segments()) {
    auto& parameter = parameters_.emplace_back(by_name.at(segment.name));
    memory_.look_at(parameter, FlatParameters::view(point_, segment));
  }
  collect_statistics();
}

void LossSurface::collect_statistics() {
  if (subject_.probe.statistics == "recalibrated")
    recalibrate(subject_, subject_.probe.statistics_samples, point_.scalar_type());
}

int64_t LossSurface::num_free() const {
  const auto& mask = subject_.parameters.mask();
  if (!mask.defined()) return point_.numel();
  return point_.numel() - mask.numel() + mask.sum().item<int64_t>();
}

std::vector<Span> LossSurface::chunks(const Span& span) const {
  std::vector<Span> list;
  for (int64_t begin = span.begin; begin < span.end; begin += subject_.batch_size)
    list.push_back({begin, std::min(begin + subject_.batch_size, span.end)});
  return list;
}

at::Tensor LossSurface::images(const Span& span) {
  return data_.reader.plain_batch(data::range(span.begin, span.end)).to(point_.scalar_type());
}

at::Tensor LossSurface::logits(const Span& span) { return subject_.model.forward(images(span)); }

at::Tensor LossSurface::mean_loss(const Span& span) {
  return subject_.loss.differentiable_mean(
      logits(span), subject_.loss.clean_targets(span.of(data_.labels), subject_.num_classes));
}

at::Tensor LossSurface::flat(const std::vector<at::Tensor>& parts) const {
  auto out = at::zeros_like(point_);
  for (size_t i = 0; i < parts.size(); ++i) {
    // A parameter that the loss does not depend on.
    if (parts[i].defined())
      FlatParameters::view(out, subject_.parameters.segments()[i]).copy_(parts[i]);
  }
  subject_.parameters.zero_pruned_(out);
  return out;
}

at::Tensor LossSurface::loss() {
  at::NoGradGuard no_grad;
  auto sum = at::zeros({}, point_.options().dtype(c10::kDouble));
  for (const auto& chunk : chunks({0, num_samples_}))
    sum.add_(mean_loss(chunk).to(c10::kDouble), static_cast<double>(chunk.size()));
  return sum.div_(static_cast<double>(num_samples_));
}

at::Tensor LossSurface::gradient(const Span& span) {
  auto sum = at::zeros_like(point_);
  for (const auto& chunk : chunks(span)) {
    std::vector<at::Tensor> parts;
    {
      at::AutoGradMode with_grad(true);
      parts = torch::autograd::grad({mean_loss(chunk)}, parameters_, {}, false, false, true);
    }
    at::NoGradGuard no_grad;
    sum.add_(flat(parts), static_cast<double>(chunk.size()) / static_cast<double>(span.size()));
  }
  return sum;
}

// Forward over reverse: with the tangent v on the parameters, the gradient's own tangent is H v.
at::Tensor LossSurface::hessian_vector(const at::Tensor& v) {
  if (auto* linear = dynamic_cast<linearise::LinearisedModel*>(&subject_.model))
    return gauss_newton_vector(*linear, v);
  const auto direction = free_part(v);
  auto sum = at::zeros_like(point_);
  for (const auto& chunk : chunks({0, num_samples_})) {
    const linearise::DualLevel level;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      level.set_tangent(parameters_[i],
                        FlatParameters::view(direction, subject_.parameters.segments()[i]));
    }
    std::vector<at::Tensor> parts;
    try {
      at::AutoGradMode with_grad(true);
      parts = torch::autograd::grad({mean_loss(chunk)}, parameters_, {}, false, false, true);
    } catch (const c10::Error& error) {  // in networks from Python
      const std::string problem = error.what_without_backtrace();
      if (problem.find("forward AD") == std::string::npos) throw;
      throw Error(internal::concat("measure: LibTorch lacks a derivative for the Hessian of this ",
                                   "network (", problem.substr(0, problem.find('\n')),
                                   "); leave the measurements of the Hessian out"));
    }
    for (auto& part : parts) {
      if (part.defined()) part = part._fw_grad(level.number());
    }
    at::NoGradGuard no_grad;
    sum.add_(flat(parts), static_cast<double>(chunk.size()) / static_cast<double>(num_samples_));
  }
  return sum;
}

// J^T H_loss J v, which is all of the Hessian where the network is linear in its parameters. (Its own
// pass uses forward derivatives, which do not nest.)
at::Tensor LossSurface::gauss_newton_vector(const linearise::LinearisedModel& model,
                                            const at::Tensor& v) {
  const auto direction = free_part(v);
  std::map<std::string, at::Tensor> by_name;
  for (const auto& segment : subject_.parameters.segments())
    by_name[segment.name] = FlatParameters::view(direction, segment);
  std::vector<at::Tensor> along;
  for (const auto& name : model.names()) along.push_back(by_name.at(name));
  auto sum = at::zeros_like(point_);
  for (const auto& chunk : chunks({0, num_samples_})) {
    const auto tangent = model.derivative(images(chunk), along);
    const at::AutoGradMode with_grad(true);
    const auto outputs = logits(chunk);
    at::Tensor pulled;  // H_loss J v
    {
      const linearise::DualLevel level;
      const auto f = outputs.detach().requires_grad_();
      level.set_tangent(f, tangent);
      const auto loss = subject_.loss.differentiable_mean(
          f, subject_.loss.clean_targets(chunk.of(data_.labels), subject_.num_classes));
      pulled = torch::autograd::grad({loss}, {f})[0]._fw_grad(level.number());
    }
    if (!pulled.defined()) continue;
    const auto parts =
        torch::autograd::grad({outputs}, parameters_, {pulled.detach()}, false, false, true);
    const at::NoGradGuard no_grad;
    sum.add_(flat(parts), static_cast<double>(chunk.size()) / static_cast<double>(num_samples_));
  }
  return sum;
}

at::Tensor LossSurface::squared_jacobian(Rng& rng) {
  auto sum = at::zeros({}, point_.options().dtype(c10::kDouble));
  for (const auto& chunk : chunks({0, num_samples_})) {
    std::vector<at::Tensor> parts;
    {
      at::AutoGradMode with_grad(true);
      const auto f = logits(chunk);
      const auto v = drawn(f.detach(), f.sizes(), [&] { return rng.sign(); });
      parts = torch::autograd::grad({(f * v).sum()}, parameters_, {}, false, false, true);
    }
    at::NoGradGuard no_grad;
    const auto pulled = flat(parts);
    sum.add_(at::dot(pulled, pulled));
  }
  return sum;
}

void LossSurface::for_each_batch(const std::function<void(const at::Tensor& images)>& use) {
  for (const auto& chunk : chunks({0, num_samples_})) use(images(chunk));
}

void LossSurface::for_each_forward(const std::function<void()>& before) {
  at::NoGradGuard no_grad;
  for (const auto& chunk : chunks({0, num_samples_})) {
    before();
    logits(chunk);
  }
}

at::Tensor LossSurface::signs(Rng& rng) const {
  return free_part(drawn(point_, point_.sizes(), [&] { return rng.sign(); }));
}

at::Tensor LossSurface::normals(Rng& rng) const { return free_part(normals_like(point_, rng)); }

at::Tensor LossSurface::free_part(const at::Tensor& v) const {
  if (!subject_.parameters.mask().defined()) return v;
  auto part = v.clone();
  subject_.parameters.zero_pruned_(part);
  return part;
}

at::Tensor normals_like(const at::Tensor& like, Rng& rng) {
  return drawn(like, like.sizes(), [&] { return rng.normal(); });
}

Rng probe_rng(const std::string& name) {
  uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return Rng(hash, Stream::kProbe);
}

std::vector<Value> mean_and_error(const std::string& name, const std::vector<at::Tensor>& samples) {
  const auto all = at::stack(samples).to(c10::kDouble);
  const double root = std::sqrt(static_cast<double>(samples.size()));
  return {{name, all.mean()}, {name + "_stderr", all.std() / root}};
}

}  // namespace unlazy::measure
