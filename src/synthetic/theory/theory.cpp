#include "synthetic/theory/theory.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <numbers>
#include <sstream>

#include "core/error.h"
#include "core/format.h"
#include "synthetic/theory/lazy_probe.h"
#include "synthetic/theory/phase_two.h"

namespace unlazy::synthetic {
namespace {

using internal::concat;

Verdict of(bool holds) { return holds ? Verdict::kHolds : Verdict::kFails; }

std::string short_text(double value) { return rounded_text(value, 3); }

// The facts that bounds and conditions are made of.
struct Facts {
  double lr, rate, sigma, m, n, d, teacher_norm, largest_input;
};

// Footnote 3: C >= max(exp(-(sigma C_data)^2 / 3), (..)^8, e C_data^2), with C_data = max |x_i|.
double footnote_constant(const Facts& f) {
  const double q = 3 / (4 * std::sqrt(std::numbers::pi));
  const double second = (1 - q) * 2 * std::sqrt(f.d) / (0.5 - q) * std::sqrt(std::numbers::pi);
  const double first = std::exp(-std::pow(f.sigma * f.largest_input, 2) / 3);
  return std::max(
      {first, std::pow(second, 8), std::numbers::e * f.largest_input * f.largest_input});
}

std::vector<Condition> conditions(const Facts& f) {
  const double width = 1 / std::sqrt(f.lr), size = std::pow(f.m, -0.25),
               log10_rate = -96 * std::log10(footnote_constant(f));
  return {
      {"A1", "m >= 1/sqrt(lr)", concat(short_text(f.m), " against ", short_text(width)),
       of(f.m >= width)},
      {"A2", "lr <= 1/C^96",
       concat(short_text(f.lr), " against 10^", short_text(log10_rate), ", which no run can meet"),
       of(std::log10(f.lr) <= log10_rate)},
      {"A3", "n >= 1/lr^2", concat(short_text(f.n), " against ", short_text(1 / (f.lr * f.lr))),
       of(f.n >= 1 / (f.lr * f.lr))},
      {"A4", "|theta*| <= m^(-1/4)",
       concat(short_text(f.teacher_norm), " against ", short_text(size)),
       of(f.teacher_norm <= size)},
      {"A5", "max |x_i| <= C_data",
       concat("C_data taken as the largest, ", short_text(f.largest_input)), Verdict::kHolds},
      {"A6", "d >= 9 ln2 K^4 / (2c)", "K and c stand in the paper's appendix, which is not public",
       Verdict::kUnknown},
  };
}

// How the neurons left the ball: first, median and last; -1 where they did not.
struct Exits {
  int64_t first = -1, median = -1, last = -1;
};

Exits exits_of(std::vector<int64_t> escape) {
  for (auto& step : escape) step = step < 0 ? std::numeric_limits<int64_t>::max() : step;
  std::sort(escape.begin(), escape.end());
  const auto step = [](int64_t s) { return s == std::numeric_limits<int64_t>::max() ? -1 : s; };
  return {step(escape.front()), step(escape[escape.size() / 2]), step(escape.back())};
}

void add_theorem_2(TheoryReport& report, const Facts& f, const LazyProbe& probe) {
  const double bound =
      384 * std::sqrt(std::log(f.m)) / (f.sigma * f.sigma * f.rate * f.rate * std::sqrt(f.m));
  const Exits exits = exits_of(probe.escape);
  const auto row = [&](const char* which, int64_t step) {
    const double measured = static_cast<double>(step);
    const Verdict verdict = step >= 0                                   ? of(measured <= bound)
                            : static_cast<double>(probe.steps) >= bound ? Verdict::kFails
                                                                        : Verdict::kUnknown;
    const std::string note = step < 0
                                 ? concat("not within the ", probe.steps, " steps looked at")
                                 : concat("T1 is ", short_text(bound / measured), " times as long");
    report.claims.push_back({"Theorem 2", concat("exit of the ", which, " neuron"),
                             concat("T1 = ", short_text(bound)), bound, measured, verdict, note});
  };
  row("first", exits.first);
  row("median", exits.median);
  row("last", exits.last);
  if (exits.median < 0) return;
  const double scale = static_cast<double>(exits.median) * f.rate * f.rate *
                       probe.mean_square_residual * std::sqrt(f.m);
  report.claims.push_back({"scaling", "median exit x lr^2 E[r^2] sqrt(m)", "about 1.9 (ours)", 1.9,
                           scale, Verdict::kUnknown,
                           concat("the bound's scaling with E[r^2] = ",
                                  short_text(probe.mean_square_residual), " in place of sigma^2")});
}

void add_lemma_3(TheoryReport& report, const Facts& f, const LazyProbe& probe) {
  const double miss = 2 * std::sqrt(f.d / std::numbers::pi) / std::pow(f.m, 1.0 / 8);
  const std::string over = concat("over ", probe.steps, " steps, until the last neuron was out");
  const auto or_vacuous = [](bool is_vacuous, Verdict verdict) {
    return is_vacuous ? Verdict::kVacuous : verdict;
  };
  report.claims.push_back(
      {"Lemma 3.1", "share of DeltaW <= 0", concat(">= 1 - rho/m^(1/8) = ", short_text(1 - miss)),
       1 - miss, probe.share_not_positive,
       or_vacuous(miss >= 1, of(probe.share_not_positive >= 1 - miss)),
       concat(over, "; says something from m = ", short_text(std::pow(miss, 8) * f.m))});
  report.claims.push_back({"Lemma 3.1", "the same, worst neuron",
                           concat(">= ", short_text(1 - miss)), 1 - miss, probe.worst_share,
                           or_vacuous(miss >= 1, of(probe.worst_share >= 1 - miss)), over});
  report.claims.push_back({"Lemma 3.1", "share of DeltaW <= -(sigma/4)^2", ">= 1/4", 0.25,
                           probe.share_far, of(probe.share_far >= 0.25), over});
  report.claims.push_back({"Lemma 3.2", "share of DeltaW > 0", concat("<= ", short_text(miss)),
                           miss, 1 - probe.share_not_positive,
                           or_vacuous(miss >= 1, of(1 - probe.share_not_positive <= miss)), over});
  report.claims.push_back({"Lemma 3.2", "largest DeltaW", "O(1)", 1, probe.largest,
                           Verdict::kUnknown,
                           "the constant is not given; DeltaW carries r^2, about sigma^2"});
}

void add_identity(TheoryReport& report, const LazyProbe& probe) {
  constexpr double kRounding = 1e-10;
  report.claims.push_back({"identity", "relative error of |w_i(T)|^2", "0, to rounding", kRounding,
                           probe.identity_error, of(probe.identity_error <= kRounding),
                           concat("largest over neurons after ", probe.steps,
                                  " steps; DeltaW = -r^2 [(x.w)^2 - a^2 |x|^2]")});
}

void add_lemma_4(TheoryReport& report, const Facts& f, const ModelOptions& model, uint64_t seed) {
  const auto probe = probe_oscillation(model, f.lr, seed);
  const double bound = 1 / (f.lr * f.lr), told = 0.5 * std::log(1 / f.lr) * std::pow(f.lr, -1.5);
  const double largest_teacher = std::numbers::sqrt2 * std::pow(f.lr, -0.25);
  const bool is_done = probe.reached >= 0;
  const Verdict verdict = is_done                                            ? Verdict::kHolds
                          : static_cast<double>(probe.steps) * 1.02 >= bound ? Verdict::kFails
                                                                             : Verdict::kUnknown;
  std::string note = concat("m = ", lemma_width(f.lr),
                            ", 4 seeds; expected at 1/2 ln(1/lr) lr^-1.5 = ", short_text(told));
  if (!is_done)
    note += concat("; mean |w|^2 ", short_text(probe.last), " after ", probe.steps, " steps");
  note += concat("; needs |theta*| below about sqrt(2) lr^(-1/4) = ", short_text(largest_teacher),
                 ", a condition the lemma leaves out");
  report.claims.push_back(
      {"Lemma 4", concat("first step with E mean |w|^2 <= sqrt(lr) = ", short_text(probe.level)),
       concat("1/lr^2 = ", short_text(bound)), bound, static_cast<double>(probe.reached), verdict,
       note});
}

void add_lemmas_5_6(TheoryReport& report, const Facts& f, const Problem& problem, uint64_t seed) {
  if (problem.teacher_norm == 0) return;
  const auto probe = probe_alignment(problem, f.lr, f.rate, seed);
  const double log_lr = std::log(1 / f.lr), cos_bound = 1 - log_lr * std::sqrt(f.lr),
               near = f.lr * log_lr;
  const std::string setup =
      concat("gradient descent, m = ", lemma_width(f.lr), ", |w|, |a| <= sqrt(lr)");
  const auto time_verdict = [](int64_t time, int64_t bound) {
    return of(time >= 0 && time <= bound);
  };
  report.claims.push_back(
      {"Lemma 5", "smallest |cos| at T2",
       concat(">= 1 - ln(1/lr) sqrt(lr) = ", short_text(cos_bound)), cos_bound, probe.cos_min,
       of(probe.cos_min >= cos_bound),
       concat(setup, "; T2 = ", probe.t2, " in units of 1/lr, which the paper leaves out")});
  report.claims.push_back(
      {"Lemma 5", "median |cos| at T2", concat(">= ", short_text(cos_bound)), cos_bound,
       probe.cos_median, of(probe.cos_median >= cos_bound),
       "'any neuron' is too strong: those that start across theta* pass through 0"});
  report.claims.push_back({"Lemma 5", "step at which the median is there",
                           concat("T2 = ", probe.t2), static_cast<double>(probe.t2),
                           static_cast<double>(probe.aligned),
                           time_verdict(probe.aligned, probe.t2), ""});
  report.claims.push_back({"Lemma 6", "|theta - theta*| at t3",
                           concat("<= lr ln(1/lr) = ", short_text(near)), near,
                           probe.teacher_distance, of(probe.teacher_distance <= near),
                           concat("t3 = ", probe.t3, "; n = ", problem.n)});
  report.claims.push_back({"Lemma 6", "step at which theta is there", concat("t3 = ", probe.t3),
                           static_cast<double>(probe.t3), static_cast<double>(probe.converged),
                           time_verdict(probe.converged, probe.t3), ""});
  report.claims.push_back(
      {"Lemma 6", "smallest |cos| of |w| >= sqrt(lr)", concat(">= ", short_text(1 - near)),
       1 - near, probe.large_cos_min,
       probe.num_large == 0 ? Verdict::kUnknown : of(probe.large_cos_min >= 1 - near),
       concat(probe.num_large, " such neurons")});
}

std::string measured_text(const Claim& claim) {
  return claim.measured == -1 ? "never" : rounded_text(claim.measured, 4);
}

}  // namespace

std::string verdict_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds:
      return "holds";
    case Verdict::kFails:
      return "fails";
    case Verdict::kVacuous:
      return "vacuous";
    case Verdict::kUnknown:
      return "-";
  }
  return "";
}

TheoryReport check_theory(const SyntheticOptions& options, const std::vector<RunResult>& results) {
  UNLAZY_CHECK_USAGE(
      options.model.family == "linear",
      "synthetic: --theory is about the two-layer linear network; use --family linear");
  const auto& run = results.front();
  const auto& setting = run.setting;
  const Problem problem = make_problem(options.model, setting.seed);
  const Rule rule = make_rule(options, setting, problem.n);
  const Facts f{setting.lr,
                rule.rate,
                setting.sigma,
                static_cast<double>(options.model.width),
                static_cast<double>(problem.n),
                static_cast<double>(problem.d),
                problem.teacher_norm,
                problem.largest_input};
  TheoryReport report;
  report.conditions = conditions(f);
  if (rule.batch == 1 && !rule.is_full_batch && rule.rho == 0 && rule.sigma > 0 &&
      rule.period == 0) {
    constexpr double kMostWork = 2e9;  // multiplications: a few seconds
    const auto most = static_cast<int64_t>(std::clamp(kMostWork / (f.m * f.d), 1.0, 1e6));
    const auto probe = probe_lazy(rule, problem, options.model.width, options.model.init_scale,
                                  setting.seed, most);
    add_theorem_2(report, f, probe);
    add_lemma_3(report, f, probe);
    add_identity(report, probe);
  }
  if (f.lr >= 1) return report;  // ln(1/lr) of the lemmas to come
  add_lemma_4(report, f, options.model, setting.seed);
  add_lemmas_5_6(report, f, problem, setting.seed);
  return report;
}

std::string to_text(const TheoryReport& report) {
  std::ostringstream out;
  out << "Conditions of the theory\n";
  for (const auto& c : report.conditions) {
    const char* word = c.verdict == Verdict::kHolds   ? "met"
                       : c.verdict == Verdict::kFails ? "not met"
                                                      : "unknown";
    out << "  " << std::left << std::setw(4) << c.name << std::setw(24) << c.statement
        << std::setw(9) << word << c.there << "\n";
  }
  out << "\n"
      << std::setw(11) << "source" << std::setw(54) << "quantity" << std::setw(40) << "bound"
      << std::setw(12) << "measured"
      << "verdict\n";
  for (const auto& c : report.claims) {
    out << std::setw(11) << c.source << std::setw(54) << c.quantity << std::setw(40) << c.bound
        << std::setw(12) << measured_text(c) << verdict_text(c.verdict) << "\n";
    if (!c.note.empty())
      out << std::setw(11) << ""
          << "  " << c.note << "\n";
  }
  return out.str();
}

nlohmann::ordered_json to_json(const TheoryReport& report) {
  nlohmann::ordered_json json;
  json["conditions"] = nlohmann::ordered_json::array();
  for (const auto& c : report.conditions) {
    json["conditions"].push_back({{"name", c.name},
                                  {"statement", c.statement},
                                  {"there", c.there},
                                  {"met", c.verdict == Verdict::kHolds   ? "yes"
                                          : c.verdict == Verdict::kFails ? "no"
                                                                         : "unknown"}});
  }
  json["claims"] = nlohmann::ordered_json::array();
  for (const auto& c : report.claims) {
    json["claims"].push_back({{"source", c.source},
                              {"quantity", c.quantity},
                              {"bound", c.bound},
                              {"bound_value", c.bound_value},
                              {"measured", c.measured},
                              {"verdict", verdict_text(c.verdict)},
                              {"note", c.note}});
  }
  return json;
}

}  // namespace unlazy::synthetic
