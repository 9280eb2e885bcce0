// The pruning protocols: one file and one line each.
#include <algorithm>
#include <map>
#include <string_view>

#include "core/error.h"
#include "experiments/pruning/protocol.h"

namespace unlazy::experiments {

MakeProtocol make_one_shot, make_fine_tune, make_imp, make_lr_rewind, make_random, make_reinit,
    make_filters;

const Registry<MakeProtocol>& pruning_protocols() {
  static const Registry<MakeProtocol> protocols(
      "--protocol",
      {
          {"one-shot", "prune the trained network to each density, without training",
           make_one_shot},
          {"fine-tune", "train for --fine-tune after each level, at the last learning rate",
           make_fine_tune},
          {"imp",
           "set the remaining weights back to their values at --rewind-to and train again, level "
           "by level",
           make_imp},
          {"lr-rewind", "keep the weights, set only the schedule back to --rewind-to, and train",
           make_lr_rewind},
          {"random", "as imp, with random masks of the same sizes", make_random},
          {"reinit", "the masks of --masks-from on a new initialisation, trained from the start",
           make_reinit},
          {"filters", "remove whole filters inside residual blocks: smaller, faster networks",
           make_filters},
      });
  return protocols;
}

namespace {

constexpr std::string_view kRecalibrated = "-recalibrated";

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string text_of(PruneOptions options, const std::string& name) {
  for (const auto& table : describe(options)) {
    for (const auto& row : table.rows()) {
      if (row.name == name) return value_text(row);
    }
  }
  throw Error("prune: a protocol reads the option " + name + ", which is not there");
}

// "imp", "imp or random", "one-shot, imp or random"
std::string either(std::vector<std::string> words) {
  const auto last = words.back();
  words.pop_back();
  return words.empty() ? last : join(words) + " or " + last;
}

}  // namespace

void Protocol::check(const train::TrainOptions&, const PruneOptions&) const {}

int64_t Protocol::level_steps(const train::Experiment&, const PruneOptions&) const { return 0; }

std::string Protocol::criterion(const PruneOptions& o) const { return o.criterion.name; }

std::string Protocol::suffix(const PruneOptions& o) const {
  return o.criterion.name == "magnitude" ? "" : "-" + o.criterion.name;
}

void check_options(const PruneOptions& o, const std::vector<std::string>& protocols) {
  static const std::map<std::string, std::string> reasons = {
      {"recalibrate-bn", "; where a level is trained, training moves the statistics"}};
  std::map<std::string, std::vector<std::string>> readers;
  for (const auto& entry : pruning_protocols().entries()) {
    for (const auto& option : entry.make()->options()) readers[option].push_back(entry.name);
  }
  for (const auto& [option, names] : readers) {
    const bool is_read = std::any_of(names.begin(), names.end(),
                                     [&](const auto& name) { return holds(protocols, name); });
    const auto reason = reasons.find(option);
    UNLAZY_CHECK_USAGE(is_read || text_of(o, option) == text_of({}, option), "prune: --", option,
                       " goes with --protocol ", either(names),
                       reason == reasons.end() ? "" : reason->second);
  }
}

std::vector<Choice> panel_protocols() {
  std::vector<Choice> list;
  for (const auto& entry : pruning_protocols().entries()) {
    const auto protocol = entry.make();
    if (protocol->needs_curve()) continue;
    list.push_back({entry.name, entry.help});
    if (!holds(protocol->options(), "recalibrate-bn")) continue;
    list.push_back({entry.name + std::string(kRecalibrated), "the same with --recalibrate-bn"});
  }
  return list;
}

PruneOptions with_panel(PruneOptions options, const std::string& panel) {
  options.recalibrate_bn = panel.ends_with(kRecalibrated);
  options.protocol =
      options.recalibrate_bn ? panel.substr(0, panel.size() - kRecalibrated.size()) : panel;
  return options;
}

}  // namespace unlazy::experiments
