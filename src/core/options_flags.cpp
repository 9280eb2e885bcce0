// Flags that a command does not know or that lack a value: what is said, and which flag was meant.
#include <algorithm>
#include <charconv>
#include <utility>

#include "core/error.h"
#include "core/names.h"
#include "core/option_rows.h"

namespace unlazy {
namespace {

// Words of PyTorch scripts and of papers for flags of this program. A command that has the word
// itself, or lacks the flag, never looks here.
constexpr std::pair<const char*, const char*> kSynonyms[] = {
    {"batch-size", "batch"},
    {"train-batch-size", "batch"},
    {"learning-rate", "lr"},
    {"eta", "lr"},
    {"dataset", "data"},
    {"data-path", "data-dir"},
    {"root", "data-dir"},
    {"arch", "model"},
    {"net", "model"},
    {"network", "model"},
    {"width", "hidden-width"},
    {"depth", "hidden-layers"},
    {"tau", "noise-rate"},
    {"label-noise", "noise"},
    {"noise-type", "noise"},
    {"sigma", "noise-sigma"},
    {"wd", "weight-decay"},
    {"l2", "weight-decay"},
    {"optim", "optimizer"},
    {"opt", "optimizer"},
    {"betas", "adam-beta1"},
    {"beta1", "adam-beta1"},
    {"beta2", "adam-beta2"},
    {"eps", "adam-eps"},
    {"criterion", "loss"},
    {"scheduler", "lr-schedule"},
    {"lr-scheduler", "lr-schedule"},
    {"milestones", "lr-milestones"},
    {"gamma", "lr-gamma"},
    {"warmup", "lr-warmup"},
    {"warmup-epochs", "lr-warmup"},
    {"clip", "clip-norm"},
    {"grad-clip", "clip-norm"},
    {"max-grad-norm", "clip-norm"},
    {"gradient-accumulation-steps", "accumulate"},
    {"num-epochs", "epochs"},
    {"steps", "max-steps"},
    {"iterations", "max-steps"},
    {"num-train", "train-size"},
    {"num-test", "test-size"},
    {"random-seed", "seed"},
    {"manual-seed", "seed"},
    {"dtype", "precision"},
    {"amp", "precision"},
    {"gpu", "device"},
    {"cuda", "device"},
    {"num-threads", "threads"},
    {"workers", "threads"},
    {"num-workers", "threads"},
    {"output", "out"},
    {"output-dir", "out"},
    {"save-dir", "out"},
    {"log-dir", "out"},
    {"force", "overwrite"},
    {"linear", "linearised"},
    {"taylor", "linearised"},
    {"linearised", "linear-space"},  // compare trains both
    {"pretrained", "weights"},
    {"checkpoint", "weights"},
    {"save-every", "checkpoint-every"},
    {"eval-every", "measure-every"},
    {"metrics", "measure"},
};

// "--lr", "-lr"; not "-", "-0.1", "-.5" or "-inf", which are values.
bool is_flag_like(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  double number = 0;
  return std::from_chars(word.data(), word.data() + word.size(), number).ec != std::errc{};
}

}  // namespace

// What cxxopts would accept or blame without a hint: unknown flags, one dash for two, a flag in
// place of a value.
void Options::check_flags(const std::vector<std::string>& arguments) const {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") return;
    if (!is_flag_like(word)) continue;
    const size_t dashes = std::min<size_t>(2, word.find_first_not_of('-'));
    const std::string name = word.substr(dashes, word.find('=') - dashes);
    UNLAZY_CHECK_USAGE(dashes == 2, command_, ": flags begin with two dashes: --", name, ", not -",
                       name);
    const Option* option = find(name);
    if (option == nullptr && name != "config") refuse_flag(name);
    if (word.find('=') != std::string::npos) continue;
    const bool has_next = i + 1 < arguments.size();
    if (option != nullptr && is_switch(*option)) {
      UNLAZY_CHECK_USAGE(!has_next || (arguments[i + 1] != "true" && arguments[i + 1] != "false"),
                         "--", name, " takes its value with '=': --", name, "=", arguments[i + 1]);
      continue;
    }
    if (option != nullptr && !option->alone.empty() &&
        (!has_next || is_flag_like(arguments[i + 1])))
      continue;
    UNLAZY_CHECK_USAGE(has_next, "--", name, " needs a value; see unlazy ", command_, " --help");
    UNLAZY_CHECK_USAGE(!is_flag_like(arguments[i + 1]), "--", name, " needs a value, but '",
                       arguments[i + 1], "' follows; see unlazy ", command_, " --help");
    ++i;
  }
}

// The arguments, which have been checked, with the value of each flag that stands alone.
std::vector<std::string> Options::with_values(const std::vector<std::string>& arguments) const {
  std::vector<std::string> complete;
  bool is_over = false;  // behind "--" are words
  for (size_t i = 0; i < arguments.size(); ++i) {
    complete.push_back(arguments[i]);
    is_over = is_over || arguments[i] == "--";
    if (is_over || !arguments[i].starts_with("--")) continue;
    const Option* option = find(arguments[i].substr(2));
    if (option == nullptr || option->alone.empty()) continue;
    if (i + 1 == arguments.size() || is_flag_like(arguments[i + 1]))
      complete.push_back(option->alone);
  }
  return complete;
}

void Options::refuse_flag(const std::string& name) const {
  const Option* option = name.rfind("no-", 0) == 0 ? find(name.substr(3)) : nullptr;
  const bool is_negation = option != nullptr && is_switch(*option);
  throw Error(
      command_ + ": there is no flag --" + name + "; " +
          (is_negation ? "write --" + option->name + "=false" : hint(name, /*is_flag=*/true)),
      Error::Kind::kMisuse);
}

// --quick where --scale quick is meant: "--scale quick", or several. Only common options.
std::string Options::flags_with_choice(const std::string& choice) const {
  std::vector<std::string> found;
  for (const auto& table : tables_) {
    for (const auto& row : table.rows()) {
      if (row.is_common && std::ranges::count(row.choices, choice, &Choice::name) > 0)
        found.push_back("--" + row.name + " " + choice);
    }
  }
  return join(found, " or ");
}

// A command may have ninety options: too many to list where none is near.
std::string Options::hint(const std::string& name, bool is_flag) const {
  auto known = names();
  known.insert(known.end(), kCommonFlags.begin(), kCommonFlags.end());
  std::vector<std::string> words;
  for (const auto& synonym : kSynonyms) words.push_back(synonym.first);
  auto meant = same_name(name, known);
  if (const auto word = same_name(name, words); !meant && word) {
    for (const auto& [other, flag] : kSynonyms) {
      if (other == *word && find(flag) != nullptr) meant = flag;
    }
  }
  if (const auto flags = is_flag && !meant ? flags_with_choice(name) : ""; !flags.empty())
    return "did you mean " + flags + "?";
  if (!meant) meant = nearest(name, known);
  if (!meant) return "see unlazy " + command_ + " --help";
  return "did you mean " + (is_flag ? "--" + *meant : "'" + *meant + "'") + "?";
}

}  // namespace unlazy
