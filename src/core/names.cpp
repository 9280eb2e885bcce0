#include "core/names.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace unlazy {
namespace {

// Levenshtein distance, one row at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

// In small letters, with '-' for '_'.
std::string small(std::string_view name) {
  std::string text;
  for (const char c : name)
    text += c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The same without '-'.
std::string plain(std::string_view name) {
  std::string text = small(name);
  std::erase(text, '-');
  return text;
}

}  // namespace

std::optional<std::string> same_name(std::string_view name, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return std::string(name);
  std::optional<std::string> found;
  for (const auto& other : known) {
    if (plain(other) != plain(name)) continue;
    if (found) return std::nullopt;
    found = other;
  }
  return found;
}

std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& known) {
  if (known.empty()) return std::nullopt;
  if (auto same = same_name(name, known)) return same;
  const auto word = small(name);
  const auto best = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
    return edit_distance(word, small(a)) < edit_distance(word, small(b));
  });
  // Two slips, or a third of the word, are a typing error; more is another word, and so is one
  // without a letter in common.
  const auto slips = edit_distance(word, small(*best));
  if (slips > std::max<size_t>(2, word.size() / 3) || slips >= word.size()) return std::nullopt;
  return *best;
}

std::string suggest(std::string_view name, const std::vector<std::string>& known) {
  if (known.empty()) return "none is known";
  if (const auto best = nearest(name, known)) return "did you mean '" + *best + "'?";
  return "known: " + join(known);
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const auto& word : words) {
    if (!text.empty()) text += separator;
    text += word;
  }
  return text;
}

}  // namespace unlazy
