// The methods. To add one, add a line here and, if no rule covers it yet, a field to Rule.
#include "synthetic/method.h"

namespace unlazy::synthetic {
namespace {

Method sgd() { return {.takes_batch = true}; }

Method label_noise_sgd() { return {.default_sigma = 4, .takes_sigma = true, .takes_batch = true}; }

Method gradient_descent() { return {.rule = {.is_full_batch = true}}; }

Method sam() {
  return {.default_rho = 0.3, .takes_sigma = true, .takes_rho = true, .takes_batch = true};
}

Method oscillation() { return {.rule = {.is_full_batch = true, .is_oscillation = true}}; }

Method periodic() {
  return {.default_sigma = 4, .takes_sigma = true, .takes_batch = true, .rule = {.period = 1}};
}

}  // namespace

const Registry<MakeMethod>& methods() {
  static const Registry<MakeMethod> registry(
      "method",
      {
          {"label-noise-sgd", "SGD on labels with fresh noise at every step (Eq. 3-4).",
           label_noise_sgd},
          {"sgd", "SGD on clean labels.", sgd},
          {"gd", "Full-batch gradient descent on clean labels.", gradient_descent},
          {"sam",
           "Sharpness-aware minimization of the batch's loss, with label noise when --sigma is "
           "given.",
           sam},
          {"oscillation",
           "The second layer follows a three-state Markov chain, the first gradient descent (Eq. "
           "6-7).",
           oscillation},
          {"periodic", "Label noise SGD whose noise is on for --period steps, then off, and so on.",
           periodic},
      });
  return registry;
}

Rule make_rule(const SyntheticOptions& options, const Setting& setting, int64_t n) {
  const auto& o = options.method;
  Rule rule = methods().find(o.method).make().rule;
  rule.lr = setting.lr;
  rule.rate = setting.lr * (o.loss == "full" ? 2 : 1);
  rule.sigma = setting.sigma;
  rule.rho = setting.rho;
  rule.is_gaussian = o.noise == "gaussian";
  rule.with_replacement = o.sampling == "with";
  rule.batch = rule.is_full_batch ? n : o.batch_size;
  if (rule.period > 0) rule.period = o.period;
  UNLAZY_CHECK_USAGE(rule.with_replacement || rule.batch <= n, "synthetic: --batch-size ",
                     rule.batch, " without replacement needs at least as many samples, got ", n,
                     "; lower it or use --sampling with");
  return rule;
}

}  // namespace unlazy::synthetic
