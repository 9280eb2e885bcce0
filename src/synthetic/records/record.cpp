// The numbers of a Record from what an engine shows.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "synthetic/records/run.h"

namespace unlazy::synthetic {
namespace {

double mean(const std::vector<double>& list) {
  return std::accumulate(list.begin(), list.end(), 0.0) / static_cast<double>(list.size());
}

double mean_abs(const std::vector<double>& list) {
  double total = 0;
  for (const double x : list) total += std::fabs(x);
  return total / static_cast<double>(list.size());
}

double median(std::vector<double> list) {
  const auto middle = list.begin() + static_cast<int64_t>(list.size() / 2);
  std::nth_element(list.begin(), middle, list.end());
  if (list.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(list.begin(), middle)) / 2;
}

double effective_rank(const std::vector<double>& spectrum) {
  const double total = std::accumulate(spectrum.begin(), spectrum.end(), 0.0);
  if (!(total > 0)) return 0;
  double entropy = 0;
  for (const double s : spectrum) {
    if (s > 0) entropy -= s / total * std::log(s / total);
  }
  return std::exp(entropy);
}

double distance_between(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (size_t j = 0; j < a.size(); ++j) total += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(total);
}

}  // namespace

Record summarise(const Observation& seen, const Problem& problem, double loss_factor, double ball,
                 int64_t step) {
  Record r;
  r.step = step;
  r.train_loss = loss_factor * problem.mean_square(seen.theta.data(), false);
  r.test_loss = loss_factor * problem.mean_square(seen.theta.data(), true);
  r.norm_mean = mean(seen.norm);
  r.norm_median = median(seen.norm);
  const auto [low, high] = std::minmax_element(seen.norm.begin(), seen.norm.end());
  r.norm_min = *low;
  r.norm_max = *high;
  for (const double x : seen.norm)
    r.norm_square_mean += x * x / static_cast<double>(seen.norm.size());
  r.align_mean = mean(seen.align);
  r.align_abs_mean = mean_abs(seen.align);
  r.cos_abs_mean = mean_abs(seen.cos);
  r.a_abs_mean = mean_abs(seen.a);
  r.teacher_distance = distance_between(seen.theta, problem.teacher);
  r.moved_mean = mean(seen.distance);
  const auto outside =
      std::count_if(seen.distance.begin(), seen.distance.end(), [&](double x) { return x > ball; });
  r.outside_share = static_cast<double>(outside) / static_cast<double>(seen.distance.size());
  r.effective_rank = effective_rank(seen.spectrum);
  return r;
}

const std::vector<Quantity>& quantities() {
  static const std::vector<Quantity> list = {
      {"train_loss", "loss on the training set, clean targets", &Record::train_loss},
      {"test_loss", "loss on the test set", &Record::test_loss},
      {"norm_mean", "mean |w_i|", &Record::norm_mean},
      {"norm_median", "median |w_i|", &Record::norm_median},
      {"norm_min", "smallest |w_i|", &Record::norm_min},
      {"norm_max", "largest |w_i|", &Record::norm_max},
      {"norm_square_mean", "mean |w_i|^2", &Record::norm_square_mean},
      {"align_mean", "mean <w_i, theta*>", &Record::align_mean},
      {"align_abs_mean", "mean |<w_i, theta*>|", &Record::align_abs_mean},
      {"cos_abs_mean", "mean |cos(w_i, theta*)|", &Record::cos_abs_mean},
      {"a_abs_mean", "mean |a_i|", &Record::a_abs_mean},
      {"teacher_distance", "|theta - theta*|", &Record::teacher_distance},
      {"moved_mean", "mean |w_i - w_i(0)|", &Record::moved_mean},
      {"outside_share", "share of neurons outside the lazy ball", &Record::outside_share},
      {"effective_rank", "effective rank of W", &Record::effective_rank},
  };
  return list;
}

}  // namespace unlazy::synthetic
