#include "experiments/lazy_statements.h"

#include <algorithm>
#include <cmath>

#include "core/format.h"

namespace unlazy::experiments {
namespace {

// A smaller change does not count, however well the seeds agree.
constexpr double kLeastEffect = 0.01;
// Losses within this share of each other follow the same curve.
constexpr double kNear = 0.1;

double change(const report::Curve& curve) { return curve.values.back() / curve.values.front() - 1; }

// Mean over the steps that both recorded of |a - b| / b.
double gap(const report::Curve& a, const report::Curve& b) {
  double sum = 0;
  size_t n = 0;
  for (size_t i = 0, j = 0; i < a.steps.size() && j < b.steps.size();) {
    if (a.steps[i] == b.steps[j]) {
      sum += std::abs(a.values[i] - b.values[j]) / b.values[j];
      ++n;
    }
    const bool is_behind = a.steps[i] <= b.steps[j];
    j += b.steps[j] <= a.steps[i] ? 1 : 0;
    i += is_behind ? 1 : 0;
  }
  return sum / static_cast<double>(n);
}

// Of all layers, relative to the start; not a number without any.
double mean_rank(const std::map<std::string, report::Curve>& run) {
  const auto curve = relative_rank(run);
  return curve.values.empty() ? std::nan("") : curve.values.back();
}

std::string percent(double share) { return rounded_text(100 * share, 3) + " %"; }
std::string plain_number(double value) { return rounded_text(value, 3); }

using Format = std::string (*)(double);

std::string number_or_none(double value, Format format) {
  return std::isfinite(value) ? format(value) : "no number";
}

// A named number, one value per seed.
struct Row {
  std::string name;
  std::vector<double> values;
};

class Numbers {
 public:
  explicit Numbers(const std::vector<Runs>& seeds) : seeds_(seeds) {}

  template <class Make>
  Row row(const std::string& name, const Make& make) const {
    Row row{name, {}};
    for (const auto& runs : seeds_) row.values.push_back(make(runs));
    return row;
  }
  Row last(const std::string& name, Place place, const char* curve) const {
    return row(name, [=](const Runs& runs) { return runs[place].at(curve).values.back(); });
  }
  Row gap_of(const std::string& name, Place a, Place b, const char* curve) const {
    return row(name, [=](const Runs& runs) { return gap(runs[a].at(curve), runs[b].at(curve)); });
  }

 private:
  const std::vector<Runs>& seeds_;
};

// Combines two rows seed by seed, since the runs of a seed have the same images, initialisation and
// batches.
template <class Combine>
Row combined(const std::string& name, const Row& a, const Row& b, const Combine& combine) {
  Row row{name, {}};
  for (size_t i = 0; i < a.values.size(); ++i)
    row.values.push_back(combine(a.values[i], b.values[i]));
  return row;
}

Effect effect(const Row& row, double least, double above, bool is_below = false) {
  return judged({.name = row.name,
                 .values = row.values,
                 .least = least,
                 .above = above,
                 .is_below = is_below});
}
Effect at_least(const Row& row) { return effect(row, kLeastEffect, 0); }
Effect above(const Row& row, double bound) { return effect(row, bound, bound); }
Effect below(const Row& row, double bound) { return effect(row, bound, bound, true); }

std::string rows_text(const std::vector<Row>& rows, Format format) {
  std::string text;
  for (const auto& row : rows) {
    text += (text.empty() ? "" : "; ") + row.name;
    for (size_t i = 0; i < row.values.size(); ++i)
      text += (i == 0 ? " " : ", ") + number_or_none(row.values[i], format);
  }
  return text;
}

Statement statement(const std::string& text, const std::vector<Row>& rows, Format format,
                    std::vector<Effect> effects) {
  const auto verdict = verdict_of(effects);
  return {text, rows_text(rows, format), std::move(effects), verdict};
}

double less_by(double with, double without) { return 1 - with / without; }
double difference(double with, double without) { return without - with; }

}  // namespace

report::Curve relative_rank(const std::map<std::string, report::Curve>& run) {
  report::Curve mean;
  double layers = 0;
  for (const auto& [name, curve] : run) {
    if (!name.starts_with("effective_rank/")) continue;
    if (mean.values.empty()) {
      mean = curve;
      mean.values.assign(curve.values.size(), 0);
    }
    for (size_t i = 0; i < std::min(mean.values.size(), curve.values.size()); ++i)
      mean.values[i] += curve.values[i] / curve.values.front();
    ++layers;
  }
  for (double& value : mean.values) value /= layers;
  return mean;
}

std::vector<Statement> statements_of(const std::vector<Runs>& seeds, const std::string& what) {
  const Numbers numbers(seeds);
  const auto with_without = [&](const char* curve) {
    return std::vector<Row>{numbers.last("with", kPerturbed, curve),
                            numbers.last("without", kClean, curve)};
  };
  const auto gaps = [&](Place a, Place b) {
    return std::vector<Row>{numbers.gap_of("difference in train loss", a, b, "train_set_loss"),
                            numbers.gap_of("in test loss", a, b, "test_loss")};
  };
  std::vector<Statement> list;

  const auto lazy = gaps(kClean, kLinear);
  list.push_back(statement(
      "Gradient descent stays lazy: its losses follow the linearised network's (within 10 % on "
      "average)",
      lazy, percent, {below(lazy[0], kNear), below(lazy[1], kNear)}));

  auto apart = numbers.gap_of("difference in train loss", kPerturbed, kLinear, "train_set_loss");
  auto apart_without = lazy[0];
  apart_without.name = "without";
  const auto beyond = combined("beyond twice that without by", apart, apart_without,
                               [](double with, double without) { return with - 2 * without; });
  list.push_back(statement("With " + what +
                               " the train loss is more than twice as far from the linearised "
                               "network's as without",
                           {apart, apart_without}, percent, {at_least(beyond)}));

  const auto same = gaps(kPerturbed, kLinearPerturbed);
  list.push_back(statement(
      "With " + what + " the losses are far from those of a linearised network with the same " +
          what + " (more than 10 % on average)",
      same, percent, {above(same[0], kNear), above(same[1], kNear)}));

  auto rows = with_without("test_loss");
  list.push_back(statement("The test loss ends lower with " + what + " than without", rows,
                           plain_number,
                           {at_least(combined("lower by", rows[0], rows[1], less_by))}));

  const auto norm_change = [&](const std::string& name, Place place) {
    return numbers.row(
        name, [=](const Runs& runs) { return change(runs[place].at("first_layer_norm")); });
  };
  rows = {norm_change("with", kPerturbed), norm_change("without", kClean)};
  auto fall = combined("falls by", rows[0], rows[0], [](double with, double) { return -with; });
  list.push_back(statement(
      "With " + what + " the first layer's norm falls, and ends below that without", rows, percent,
      {at_least(fall), at_least(combined("below by", rows[0], rows[1], difference))}));

  // Runs of a version that did not measure it have none.
  const auto all_have = [&](const char* curve) {
    return std::all_of(seeds.begin(), seeds.end(), [&](const Runs& runs) {
      return runs[kClean].contains(curve) && runs[kPerturbed].contains(curve);
    });
  };
  const auto more = [](double with, double without) { return with / without - 1; };
  if (all_have("ntk_trace_ratio")) {
    rows = with_without("ntk_trace_ratio");
    list.push_back(
        statement("With " + what + " the kernel shrinks more than without (trace, relative)", rows,
                  percent, {at_least(combined("smaller by", rows[0], rows[1], less_by))}));
  }
  if (all_have("lazy_distance_train")) {
    rows = with_without("lazy_distance_train");
    list.push_back(
        statement("With " + what + " the network ends farther from its own linearisation", rows,
                  percent, {at_least(combined("farther by", rows[0], rows[1], more))}));
  }
  if (all_have("outputs_apart_test")) {
    rows = with_without("outputs_apart_test");
    list.push_back(statement("With " + what +
                                 " the outputs on test images end farther from those of the "
                                 "linearised network that was trained in the same way",
                             rows, percent,
                             {at_least(combined("farther by", rows[0], rows[1], more))}));
  }
  if (all_have("activation_sparsity")) {
    rows = with_without("activation_sparsity");
    list.push_back(statement("With " + what + " activations end sparser (share of zeros)", rows,
                             percent,
                             {at_least(combined("more zeros by", rows[0], rows[1], more))}));
  }
  const auto rank = [&](const std::string& name, Place place) {
    return numbers.row(name, [=](const Runs& runs) { return mean_rank(runs[place]); });
  };
  rows = {rank("with", kPerturbed), rank("without", kClean)};
  const auto is_number = [](double value) { return std::isfinite(value); };
  if (std::all_of(rows[0].values.begin(), rows[0].values.end(), is_number) &&
      std::all_of(rows[1].values.begin(), rows[1].values.end(), is_number)) {
    list.push_back(statement("With " + what +
                                 " the weights' effective rank, relative to its start and averaged "
                                 "over layers, ends lower",
                             rows, percent,
                             {at_least(combined("lower by", rows[0], rows[1], less_by))}));
  }
  return list;
}

}  // namespace unlazy::experiments
