// The command whose runs a sweep makes, seen from the sweep: its options, and how a point is run.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "sweep/plan.h"

namespace unlazy::tools {

class SweepBase {
 public:
  /// `command`: train, compare, prune or synthetic. Throws what its own reading of `arguments`
  /// throws.
  SweepBase(std::string command, std::vector<std::string> arguments);
  ~SweepBase();

  /// The value of an option where no axis sets it; empty for an option that there is not.
  std::string value(const std::string& option) const;
  bool has(const std::string& option) const;
  /// Was the option among the arguments, as a flag?
  bool is_flag_given(const std::string& option) const;
  /// The values of all options that decide results.
  std::map<std::string, std::string> deciding_values() const;

  /// Throws a misuse Error for an axis over an option that there is not, that the sweep sets
  /// itself, or that is among the arguments too, and for a value that the option does not take.
  /// Writes the values as the program writes them, so that a point has one name.
  void check_axis(sweep::Axis& axis) const;
  /// Throws a misuse Error for a condition about an option that there is not, or that decides no
  /// result, and for a value that the option does not take. Writes the value as check_axis() does.
  void check_condition(sweep::Condition& condition) const;
  /// Throws the misuse Error with which the command would refuse the point, with its name.
  void check_point(const sweep::Point& point) const { accepted_words(point); }

  /// The same with what the data and the network say: builds them as the runs will, on the CPU, once
  /// for points that differ only in seeds. Of many points it takes those in which a value stands for
  /// the first time. Only for train; the others find that out when they run. Takes seconds.
  void try_points(const std::vector<sweep::Point>& points) const;

  /// The call of the program that starts the point in the folder `out`, or goes on with it.
  /// `threads` is for a new run only: one that goes on keeps its own. 0: as many as it likes.
  std::vector<std::string> call(const sweep::Point& point, const std::string& out,
                                int64_t threads) const;

 private:
  std::vector<std::string> all_words(const sweep::Settings& settings) const;
  std::vector<std::string> accepted_words(const sweep::Point& point) const;
  std::vector<sweep::Point> different_points(const std::vector<sweep::Point>& points) const;

  std::string command_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Command> base_, scratch_;
};

}  // namespace unlazy::tools
