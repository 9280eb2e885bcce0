#include "measure/landscape.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/lerp.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/format.h"
#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

// A row [1, n] a filter, for a weight; one row for a bias or scale.
at::Tensor filters(const at::Tensor& part) {
  return part.dim() >= 2 ? part.flatten(1) : part.unsqueeze(0);
}

int64_t count_of(int64_t wanted, const LabelledReader& split) {
  const int64_t all = split.labels.size(0);
  return wanted > 0 ? std::min(wanted, all) : all;
}

LabelledReader first_of(const LabelledReader& split, int64_t count) {
  return {split.reader, split.labels.narrow(0, 0, count)};
}

}  // namespace

OptionTable describe(LandscapeOptions& o) {
  return {
      "Slice",
      {{.name = "points",
        .target = &o.points,
        .range = Range::at_least(2),
        .help = "Number of points along each axis; a plane has the square of this."},
       {.name = "range",
        .target = &o.range,
        .help = "Smallest and largest step; empty: -0.5,1.5 on a line, with the checkpoints at 0 "
                "and 1, and -0.5,0.5 in a plane, where 1 is the norm of each filter."},
       {.name = "samples",
        .target = &o.samples,
        .range = Range::at_least(0),
        .unit = "samples",
        .help = "Use the first N images of a split at each point; 0: all."},
       {.name = "split",
        .target = &o.split,
        .help = "The data of a plane; a line shows both.",
        .choices = {{"train", "training set"}, {"test", "test set"}}},
       {.name = "bn-statistics",
        .target = &o.statistics,
        .help = "Which running statistics BatchNorm uses at each point.",
        .choices = {{"auto", "recalibrate on a line, fixed in a plane (Li et al. 2018)"},
                    {"fixed", "those of the checkpoint"},
                    {"interpolate", "move like the weights; on a line only"},
                    {"recalibrate", "collected again at each point, on training images"}}},
       {.name = "bn-samples",
        .target = &o.statistics_samples,
        .range = Range::at_least(1),
        .unit = "samples",
        .help =
            "Number of training images, augmented as in training, that recalibrate averages over."},
       {.name = "directions",
        .target = &o.directions,
        .help = "Which parameters the directions of a plane change.",
        .choices = {{"weights",
                     "convolution and linear weights; biases and normalisation stay (Li et "
                     "al. 2018)"},
                    {"all", "every parameter; a bias or scale counts as one filter"}}},
       {.name = "direction-seed",
        .target = &o.seed,
        .range = Range::at_least(0),
        .help = "Seed of the directions; the same seed draws the same picture."}}};
}

std::vector<double> steps_of(const LandscapeOptions& options, bool is_line) {
  auto range = options.range;
  if (range.empty())
    range = is_line ? std::vector<double>{-0.5, 1.5} : std::vector<double>{-0.5, 0.5};
  UNLAZY_CHECK_USAGE(range.size() == 2 && range[0] < range[1] && std::isfinite(range[0]) &&
                         std::isfinite(range[1]),
                     "landscape: --range wants two ascending numbers, such as -1,1");
  // A step of 1 is as long as the weights themselves.
  constexpr double kFarthest = 1000, kNearest = 1e-9;
  UNLAZY_CHECK_USAGE(range[0] >= -kFarthest && range[1] <= kFarthest,
                     "landscape: --range must lie within -1000,1000, a thousand times the length "
                     "of the weights; got ",
                     number_text(range[0]), ",", number_text(range[1]));
  UNLAZY_CHECK_USAGE((range[1] - range[0]) / static_cast<double>(options.points - 1) >= kNearest,
                     "landscape: the points of --range lie closer than 1e-09; take a wider one, or "
                     "fewer --points");
  std::vector<double> steps;
  const auto last = static_cast<double>(options.points - 1);
  for (int64_t i = 0; i < options.points; ++i) {
    const double step = range[0] + (range[1] - range[0]) * static_cast<double>(i) / last;
    // To 12 decimals, so that 0 and 1 are exact and 0.1 is written so; + 0.0 makes 0 of -0.
    steps.push_back(std::round(step * 1e12) / 1e12 + 0.0);
  }
  return steps;
}

std::string resolved_statistics(const LandscapeOptions& options, bool is_line) {
  UNLAZY_CHECK_USAGE(is_line || options.statistics != "interpolate",
                     "landscape: --bn-statistics interpolate is for a line between two "
                     "checkpoints; add --to or --to-checkpoint");
  if (options.statistics != "auto") return options.statistics;
  return is_line ? "recalibrate" : "fixed";
}

Place place_of(const Subject& subject) {
  Place place{subject.parameters.values().clone(), {}};
  for (const auto& buffer : subject.model.module().buffers())
    place.buffers.push_back(buffer.clone());
  return place;
}

at::Tensor filter_normalized_direction(const optim::FlatParameters& parameters, bool has_all,
                                       Rng& rng) {
  const at::NoGradGuard no_grad;
  auto direction = normals_like(parameters.values(), rng);
  parameters.zero_pruned_(direction);
  for (const auto& segment : parameters.segments()) {
    auto d = optim::FlatParameters::view(direction, segment);
    if (d.dim() < 2 && !has_all) {
      d.zero_();
      continue;
    }
    const auto w = optim::FlatParameters::view(parameters.values(), segment);
    const auto scale = filters(w).norm(2, 1) / filters(d).norm(2, 1).clamp_min(1e-30);
    std::vector<int64_t> shape(static_cast<size_t>(d.dim()), 1);
    shape[0] = scale.size(0);  // 1 for a vector
    d.mul_(scale.view(shape));
  }
  return direction;
}

Landscape::Landscape(const Subject& subject, optim::FlatParameters& parameters,
                     const LandscapeOptions& options, Progress progress)
    : subject_(subject),
      parameters_(parameters),
      options_(options),
      progress_(std::move(progress)),
      home_(place_of(subject)) {}

Landscape::~Landscape() { move(home_.values, home_.buffers); }

void Landscape::move(const at::Tensor& values, const std::vector<at::Tensor>& buffers) {
  const at::NoGradGuard no_grad;
  parameters_.values().copy_(values);
  parameters_.publish();
  size_t i = 0;
  for (auto& buffer : subject_.model.module().buffers()) buffer.copy_(buffers[i++]);
}

void Landscape::measure(const LabelledReader& split, Slice& slice) {
  const auto found = evaluate(subject_, first_of(split, count_of(options_.samples, split)));
  slice.loss.push_back(found.loss.item<double>());
  slice.accuracy.push_back(found.accuracy.item<double>());
}

Landscape::Line Landscape::line(const Place& from, const Place& to) {
  const auto steps = steps_of(options_, /*is_line=*/true);
  const auto statistics = resolved_statistics(options_, /*is_line=*/true);
  const auto names = subject_.model.module().named_buffers().items();
  Line line;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (progress_) progress_(static_cast<int64_t>(i), static_cast<int64_t>(steps.size()));
    auto buffers = from.buffers;
    for (size_t k = 0; k < buffers.size() && statistics == "interpolate"; ++k) {
      if (!buffers[k].is_floating_point()) continue;  // the counter of batches
      buffers[k] = at::lerp(from.buffers[k], to.buffers[k], steps[i]);
      if (names[k].key().ends_with("running_var")) buffers[k].clamp_min_(0);
    }
    move(at::lerp(from.values, to.values, steps[i]), buffers);
    if (statistics == "recalibrate")
      recalibrate(subject_, options_.statistics_samples, parameters_.compute_dtype());
    measure(subject_.train, line.train);
    measure(subject_.test, line.test);
  }
  return line;
}

Slice Landscape::plane(const at::Tensor& first, const at::Tensor& second) {
  const auto steps = steps_of(options_, /*is_line=*/false);
  const auto statistics = resolved_statistics(options_, /*is_line=*/false);
  const auto total = static_cast<int64_t>(steps.size() * steps.size());
  Slice slice;
  for (const double b : steps) {
    for (const double a : steps) {
      if (progress_) progress_(static_cast<int64_t>(slice.loss.size()), total);
      move(home_.values + first * a + second * b, home_.buffers);
      if (statistics == "recalibrate")
        recalibrate(subject_, options_.statistics_samples, parameters_.compute_dtype());
      measure(options_.split == "test" ? subject_.test : subject_.train, slice);
    }
  }
  return slice;
}

double barrier(const std::vector<double>& steps, const std::vector<double>& loss) {
  const auto place = [&](double step) {
    return static_cast<size_t>(std::find(steps.begin(), steps.end(), step) - steps.begin());
  };
  const size_t first = place(0), last = place(1);
  if (first == steps.size() || last == steps.size())
    return std::numeric_limits<double>::quiet_NaN();
  double rise = 0;
  for (size_t i = first; i <= last; ++i)
    rise = std::max(rise, loss[i] - ((1 - steps[i]) * loss[first] + steps[i] * loss[last]));
  return rise;
}

}  // namespace unlazy::measure
