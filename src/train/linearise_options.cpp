#include "train/linearise_options.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::train {
namespace {

struct Checkpoint {
  std::string run;
  int64_t step = -1;  // the newest
};

// "runs/a:1200"; a folder may have a colon in its name.
Checkpoint checkpoint_of(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto digits = colon == std::string::npos ? "" : text.substr(colon + 1);
  constexpr size_t kMostDigits = 18;
  if (digits.empty() || digits.size() > kMostDigits ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    return {text};
  return {text.substr(0, colon), std::stoll(digits)};
}

nlohmann::ordered_json json_of(models::ModelOptions options) {
  options.file_hash = "auto";  // weights may be those of another file of the same network
  return Options("train", {models::describe(options)}).to_json();
}

}  // namespace

OptionTable describe(LineariseOptions& o) {
  return {"Linearisation",
          {{.name = "linearised",
            .target = &o.order,
            .range = Range::closed(0, 2),
            .help = "Train the network's Taylor polynomial of this order around its start, f + J d "
                    "or f + J d + d H d / 2, in place of the network; 0: the network itself.",
            .alone = "1"},
           {.name = "linearise-at",
            .target = &o.at,
            .help = "Expand at a checkpoint, RUN or RUN:STEP, in place of the start: the tangent "
                    "space that the network has learned.",
            .only_for = {{"linearised", {"1", "2"}}}},
           {.name = "linearise-bn-samples",
            .target = &o.statistics_samples,
            .range = Range::at_least(0),
            .unit = "images",
            .help = "BatchNorm is linearised in evaluation mode, with statistics collected at the "
                    "start over this many training images, augmented as in training; 0: all.",
            .only_for = {{"linearised", {"1", "2"}}}}}};
}

std::string start_weights(const TrainOptions& options) {
  const auto& o = options.linearise;
  if (!o.is_on()) return "";
  if (!o.start_file.empty() || o.at.empty()) return o.start_file;
  const auto [run, step] = checkpoint_of(o.at);
  const auto trained = options_of(run);
  UNLAZY_CHECK_USAGE(!trained.linearise.is_on(), run,
                     ": is a linearised run, whose weights are no point of the network; give "
                     "--linearise-at a run of the network itself");
  const auto wanted = json_of(options.model), there = json_of(trained.model);
  for (const auto& item : wanted.items()) {
    UNLAZY_CHECK_USAGE(there.at(item.key()) == item.value(), run, ": is a run with ", item.key(),
                       " ", there.at(item.key()).dump(), ", not ", item.value().dump(), "; give --",
                       item.key(), " as that run has it");
  }
  return weights_of(run, chosen_checkpoint(run, step));
}

std::string with_step(const std::string& at) {
  if (at.empty() || checkpoint_of(at).step >= 0 || !RunDir::holds_run(at)) return at;
  return at + ":" + std::to_string(chosen_checkpoint(at, -1));
}

void check_linearised(const TrainOptions& options) {
  if (!options.linearise.is_on()) return;
  for (const auto& request : measure::requests(options.measure))
    measure::check_linearised(request.name, options.linearise.order);
}

std::string text_of(const LineariseOptions& o) {
  if (!o.is_on()) return "";
  return (o.order == 1 ? "linearised at " : "Taylor polynomial of order 2 at ") +
         (o.at.empty() ? "its start" : o.at) + ", ";
}

}  // namespace unlazy::train
