// Options, written once.
// A component describes each of its options in one row: name, target, range, unit, one sentence.
// From that row come the command-line flag, the JSON key, the range check, --help, the tables in
// the docs and the shell completion.
//
//   struct NoiseOptions { std::string kind = "none"; double rate = 0; };
//   OptionTable describe(NoiseOptions& o) {
//     return {"Label noise", {
//         {.name = "noise", .target = &o.kind, .help = "Kind of label noise.",
//          .choices = registry().choices()},
//         {.name = "noise-rate", .target = &o.rate, .range = Range::closed(0, 1), .help = "..."}}};
//   }
//
// The default of an option is the value of its target when the table is made. Precedence: defaults
// < --config < flags. JSON keys are the flag names ("noise-rate": 0.1), at the top level of the
// object, beside "config-version" and "command". "about" is for information and is not read.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/registry.h"
#include "core/step.h"

namespace unlazy {

/// The version of the configuration files that this program writes. It also reads older ones.
inline constexpr int kConfigVersion = 1;

/// The numbers that an option may take.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool is_low_open = false;   // low itself is refused
  bool is_high_open = false;  // high itself is refused

  static Range any() { return {}; }
  static Range closed(double low, double high) { return {low, high, false}; }
  static Range at_least(double low) {
    return {low, std::numeric_limits<double>::infinity(), false};
  }
  static Range above(double low) { return {low, std::numeric_limits<double>::infinity(), true}; }
  /// (low, high]
  static Range left_open(double low, double high) { return {low, high, true}; }
  /// [low, high)
  static Range right_open(double low, double high) { return {low, high, false, true}; }

  bool contains(double value) const;
  bool is_any() const;
  /// "in [0, 1]", ">= 0", "> 0"
  std::string text() const;
};

/// Where the value of an option is kept. Lists are written with commas on the command line and as
/// arrays in JSON.
using OptionTarget =
    std::variant<bool*, int64_t*, double*, std::string*, Step*, std::vector<int64_t>*,
                 std::vector<double>*, std::vector<std::string>*, std::vector<Step>*>;

/// What an option means to a result on disk. It decides whether a continued run may be given
/// another value, and whether two results were made in the same way.
enum class Role {
  kSetting,  // decides the result, like most options; never changes within a run
  kSource,   // decides it too, but tells repetitions of one setting apart: the seed, the run pruned
  kLength,   // the length; a run may be made longer
  kPart,     // which of several results are made (seeds, levels): more may be asked for later, and
             // each is checked by itself
  kCurve,    // what is measured on the way; changes no weight. A run may go on with other curves.
  kOutput,   // files that are written besides, such as checkpoints
  kPlace,    // where and how it is computed: folders, device, threads, memory
  kRequest,  // what to do with what is there (resume, overwrite), presets: not stored in
             // config.json
};

/// An option has an effect only while another option has an effect itself and one of these values.
/// No values: while the other option is not empty.
struct OnlyFor {
  std::string option;
  std::vector<std::string> values;
};

/// All that is known about one option.
struct Option {
  std::string name;                  // kebab-case; the flag is --name and the JSON key "name"
  OptionTarget target;               // holds the default until something else is given
  Range range = Range::any();        // for numbers, lengths (in their unit) and lists: each entry
  std::string unit = {};             // "images", "steps"; empty for pure numbers
  std::string help = {};             // one sentence
  std::vector<Choice> choices = {};  // for strings: the words allowed; empty means any text
  std::string alone = {};            // the value of the flag without one; empty: it needs one
  bool has_settings = false;         // a choice may be followed by settings: "NAME:key=value"
  Role role = Role::kSetting;
  std::vector<OnlyFor> only_for = {};  // any one of them suffices; empty: it always has an effect
  bool is_needed =
      false;  // where it has an effect, 0 must be asked for: it is never meant silently
  bool is_common = false;         // shown by --help of a command with many options
  std::string default_text = {};  // filled by OptionTable
};

/// The options of one component, under one heading in --help.
class OptionTable {
 public:
  OptionTable(std::string title, std::vector<Option> rows);
  const std::string& title() const { return title_; }
  const std::vector<Option>& rows() const { return rows_; }

 private:
  std::string title_;
  std::vector<Option> rows_;
};

/// Does the option's target hold a bool (a flag that needs no value)?
bool is_switch(const Option& option);
/// The current value of an option as the user would write it: "0.1", "true", "80ep,120ep".
std::string value_text(const Option& option);

/// What an option depends on: "--optimizer sam, asam, gsam"; empty when it always has an effect.
std::string only_for_text(const Option& option);

/// All options of one command: reads flags and files into the targets, and writes them out again.
class Options {
 public:
  /// `command` names the command in messages and in configuration files. Throws std::logic_error
  /// when two tables have an option of the same name: a programming error.
  Options(std::string command, std::vector<OptionTable> tables);

  /// Reads `--name value`, `--name=value` and `--switch`. Returns the words that are not flags, in
  /// order. `--config FILE` files are read first, then the flags in order, wherever they are.
  /// Throws a misuse Error for an unknown flag (naming the nearest known one), a missing or bad
  /// value, a value out of range, a bad configuration file, or a word that is not UTF-8. Nothing is
  /// assigned unless everything could be read. A choice may be written without regard to case, '-'
  /// and '_'; its own name is stored.
  std::vector<std::string> parse(const std::vector<std::string>& arguments);

  /// Reads the keys of a configuration object; `source` names it in messages.
  void read_json(const nlohmann::ordered_json& config, std::string_view source);
  /// Reads a configuration file.
  void read_file(const std::string& path);
  /// The resolved options with "config-version" and "command".
  nlohmann::ordered_json to_json() const;

  /// Throws a misuse Error naming an option that would silently do nothing because its `only_for`
  /// is not met, although it was given as a flag or, with a value other than the default, in a
  /// --config file. Values from read_file() (a preset, a saved run) are not checked. Also throws one
  /// for an option that `is_needed`, is 0 and was not given, when its `only_for` was. Call it when
  /// all options have been read.
  void refuse_without_effect() const;

  /// Was this option given by a flag or a file?
  bool is_given(std::string_view name) const;
  /// The role of an option; throws std::logic_error when there is none of that name.
  Role role(std::string_view name) const;

  /// The text of --help below the usage line: the options grouped by component. Of many options
  /// only the common ones, and then how to see the others.
  std::string help() const;
  /// All options, with a sentence about each choice: the text of --help-all.
  std::string help_all() const;
  /// The same of the tables whose title has the word `section`, or that hold the flag of that name.
  /// Throws a misuse Error naming the sections when there is none.
  std::string help_of(const std::string& section) const;
  /// All options as Markdown tables, for the docs. Tables that `known` has as well are not
  /// repeated: of them only the rows that differ are shown.
  std::string markdown(const Options* known = nullptr) const;

  const std::string& command() const { return command_; }
  const std::vector<OptionTable>& tables() const { return tables_; }

 private:
  class Undo;
  const Option* find(std::string_view name) const;
  std::vector<std::string> names() const;
  void check_flags(const std::vector<std::string>& arguments) const;
  std::vector<std::string> with_values(const std::vector<std::string>& arguments) const;
  [[noreturn]] void refuse_flag(const std::string& name) const;
  void refuse_unsaid(const Option& row) const;
  std::string flags_with_choice(const std::string& choice) const;
  std::string hint(const std::string& name, bool is_flag) const;
  void assign_text(const Option& option, const std::string& text);

  std::string command_;
  std::vector<OptionTable> tables_;
  std::vector<std::string> given_;  // by flags and files
  std::vector<std::string> flags_;  // by flags
  std::vector<std::string> in_config_files_;
};

/// The JSON object in a file. Throws a misuse Error naming the file, line and column of a syntax
/// error.
nlohmann::ordered_json read_json_file(const std::string& path);

}  // namespace unlazy
