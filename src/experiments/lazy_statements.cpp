#include "experiments/lazy_statements.h"

#include <cmath>

#include "core/format.h"

namespace unlazy::experiments {
namespace {

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

std::string percent(double share) { return rounded_text(100 * share, 3) + " %"; }

// Numbers of every seed, "1.2 %, 3.4 %".
class Table {
 public:
  explicit Table(const std::vector<Runs>& seeds) : seeds_(seeds) {}

  using Numbers = std::vector<std::pair<std::string, double>>;
  // `make`: the numbers of one seed; `holds`: of these numbers, in their order.
  template <class Make, class Holds>
  void add(const std::string& text, const Make& make, const Holds& holds,
           std::string (*format)(double) = percent) {
    Statement statement{text, "", true};
    std::vector<std::string> names, columns;
    for (const auto& runs : seeds_) {
      const Numbers numbers = make(runs);
      std::vector<double> values;
      for (size_t i = 0; i < numbers.size(); ++i) {
        if (columns.size() <= i) columns.push_back(numbers[i].first + " ");
        columns[i] += (columns[i].back() == ' ' ? "" : ", ") + format(numbers[i].second);
        values.push_back(numbers[i].second);
      }
      statement.holds = statement.holds && holds(values);
    }
    for (const auto& column : columns)
      statement.numbers += (statement.numbers.empty() ? "" : "; ") + column;
    statements.push_back(std::move(statement));
  }

  std::vector<Statement> statements;

 private:
  const std::vector<Runs>& seeds_;
};

double loss_gap(const Runs& runs, Place a, Place b, const char* curve) {
  return gap(runs[a].at(curve), runs[b].at(curve));
}

}  // namespace

std::vector<Statement> statements_of(const std::vector<Runs>& seeds, const std::string& what) {
  constexpr double kNear = 0.1;
  Table table(seeds);
  const auto gaps = [](Place a, Place b) {
    return [=](const Runs& runs) -> Table::Numbers {
      return {{"difference in train loss", loss_gap(runs, a, b, "train_set_loss")},
              {"in test loss", loss_gap(runs, a, b, "test_loss")}};
    };
  };
  table.add(
      "Gradient descent stays lazy: its losses follow the linearised network's (within 10 % "
      "on average)",
      gaps(kClean, kLinear),
      [](const std::vector<double>& v) { return v[0] < kNear && v[1] < kNear; });
  table.add(
      "With " + what + " they do not: the train loss differs more than twice as much",
      [](const Runs& runs) -> Table::Numbers {
        return {{"difference in train loss", loss_gap(runs, kPerturbed, kLinear, "train_set_loss")},
                {"without", loss_gap(runs, kClean, kLinear, "train_set_loss")}};
      },
      [](const std::vector<double>& v) { return v[0] > 2 * v[1]; });
  table.add("Nor do they follow a linearised network with the same " + what +
                " (more than 10 % on average)",
            gaps(kPerturbed, kLinearPerturbed),
            [](const std::vector<double>& v) { return v[0] > kNear && v[1] > kNear; });
  table.add(
      "The test loss ends lower with " + what,
      [](const Runs& runs) -> Table::Numbers {
        return {{"with", runs[kPerturbed].at("test_loss").values.back()},
                {"without", runs[kClean].at("test_loss").values.back()}};
      },
      [](const std::vector<double>& v) { return v[0] < v[1]; },
      [](double v) { return rounded_text(v, 3); });
  table.add(
      "With " + what + " the first layer's norm falls, and ends lower than without",
      [](const Runs& runs) -> Table::Numbers {
        return {{"with", change(runs[kPerturbed].at("first_layer_norm"))},
                {"without", change(runs[kClean].at("first_layer_norm"))}};
      },
      [](const std::vector<double>& v) { return v[0] < 0 && v[0] < v[1]; });
  if (seeds[0][kClean].contains("ntk_trace_ratio")) {
    table.add(
        "With " + what + " the kernel shrinks more than without (trace, relative)",
        [](const Runs& runs) -> Table::Numbers {
          return {{"with", runs[kPerturbed].at("ntk_trace_ratio").values.back()},
                  {"without", runs[kClean].at("ntk_trace_ratio").values.back()}};
        },
        [](const std::vector<double>& v) { return v[0] < v[1]; });
  }
  if (seeds[0][kClean].contains("lazy_distance_train")) {
    table.add(
        "With " + what + " the network ends farther from its own linearisation",
        [](const Runs& runs) -> Table::Numbers {
          return {{"with", runs[kPerturbed].at("lazy_distance_train").values.back()},
                  {"without", runs[kClean].at("lazy_distance_train").values.back()}};
        },
        [](const std::vector<double>& v) { return v[0] > v[1]; });
  }
  return table.statements;
}

}  // namespace unlazy::experiments
