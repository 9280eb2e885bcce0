// JSON of files, which may hold anything: the one place where it is parsed.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace unlazy {

/// How deep objects and lists of a file may be nested. The JSON library prints and copies by
/// recursion, so a file of nothing but brackets could use up the stack.
inline constexpr int kMaxJsonDepth = 64;

/// What to do with JSON that is not wanted.
struct JsonComplaints {
  /// An object has a key twice; the outermost object has depth 1.
  std::function<void(size_t depth, const std::string& key)> doubled;
  /// The text is nested deeper than kMaxJsonDepth. Must throw.
  std::function<void()> deep;
};

/// The value in `text`, as nlohmann::json (any number of keys) or nlohmann::ordered_json (a few).
/// Throws what the library throws when the text is not JSON. `names`, unless null, receives the
/// keys of the outermost object in the order of the text, which nlohmann::json does not keep.
template <class Json>
Json parse_json(const std::string& text, const JsonComplaints& complaints,
                std::vector<std::string>* names = nullptr);

}  // namespace unlazy
