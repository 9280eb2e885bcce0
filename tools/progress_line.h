// A line on the terminal that is rewritten in place. Prints nothing where there is no terminal, or
// one that knows no escape codes (TERM=dumb).
#pragma once

#include <string>

namespace unlazy::tools {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  /// Cut to the width that the terminal has now: a longer line would leave a row behind each time.
  void show(const std::string& text) const;
  void clear() const;

 private:
  bool is_shown_;
};

/// `text` in less than `columns` columns, whole characters of UTF-8.
std::string cut_to(const std::string& text, size_t columns);

}  // namespace unlazy::tools
