// JSON of files, which may hold anything: the one place where it is parsed.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace unlazy {

/// How deep objects and lists of a file may be nested. The JSON library prints and copies by
/// recursion, so that a file of brackets alone could use up the stack.
inline constexpr int kMaxJsonDepth = 64;

/// The value in `text`, of the type `Json` (nlohmann::json, or ordered_json). Calls doubled(depth,
/// key) where an object has a key twice (the outermost object has depth 1), and deep() where the
/// text is nested deeper than kMaxJsonDepth; deep() must throw. Throws what the library throws when
/// the text is not JSON. `names`, unless null, receives the keys of the outermost object in the
/// order of the text, which nlohmann::json does not keep.
template <class Json, class Doubled, class Deep>
Json parse_json(const std::string& text, const Doubled& doubled, const Deep& deep,
                std::vector<std::string>* names = nullptr) {
  using Event = typename Json::parse_event_t;
  std::vector<std::set<std::string>> open_objects;
  return Json::parse(text, [&](int depth, Event event, Json& value) {
    const bool is_start = event == Event::object_start || event == Event::array_start;
    if (is_start && depth >= kMaxJsonDepth) deep();
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key) {
      const auto& key = value.template get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) doubled(open_objects.size(), key);
      if (names != nullptr && open_objects.size() == 1) names->push_back(key);
    }
    return true;
  });
}

}  // namespace unlazy
