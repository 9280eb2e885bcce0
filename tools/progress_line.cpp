#include "progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace unlazy::tools {
namespace {

constexpr const char* kToEmptyLine = "\r\033[K";

bool knows_escape_codes() {
  const char* name = std::getenv("TERM");
  return name != nullptr && *name != '\0' && std::string_view(name) != "dumb";
}

size_t terminal_columns() {
  constexpr size_t kUsual = 80;  // of a terminal that does not say
  winsize size{};
  const bool is_known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : kUsual;
}

}  // namespace

ProgressLine::ProgressLine() : is_shown_(::isatty(STDERR_FILENO) == 1 && knows_escape_codes()) {}

void ProgressLine::show(const std::string& text) const {
  if (is_shown_) std::cerr << kToEmptyLine << cut_to(text, terminal_columns()) << std::flush;
}

void ProgressLine::clear() const {
  if (is_shown_) std::cerr << kToEmptyLine << std::flush;
}

std::string cut_to(const std::string& text, size_t columns) {
  size_t used = 0, bytes = 0;
  for (; bytes < text.size(); ++bytes) {
    const bool begins = (static_cast<unsigned char>(text[bytes]) & 0xC0) != 0x80;
    if (begins && ++used >= columns) break;
  }
  return text.substr(0, bytes);
}

}  // namespace unlazy::tools
