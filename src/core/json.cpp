#include "core/json.h"

#include <nlohmann/json.hpp>
#include <set>

namespace unlazy {

template <class Json>
Json parse_json(const std::string& text, const JsonComplaints& complaints,
                std::vector<std::string>* names) {
  using Event = typename Json::parse_event_t;
  std::vector<std::set<std::string>> open_objects;
  return Json::parse(text, [&](int depth, Event event, Json& value) {
    const bool is_start = event == Event::object_start || event == Event::array_start;
    if (is_start && depth >= kMaxJsonDepth) complaints.deep();
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key) {
      const auto& key = value.template get_ref<const std::string&>();
      if (!open_objects.back().insert(key).second) complaints.doubled(open_objects.size(), key);
      if (names != nullptr && open_objects.size() == 1) names->push_back(key);
    }
    return true;
  });
}

template nlohmann::json parse_json(const std::string&, const JsonComplaints&,
                                   std::vector<std::string>*);
template nlohmann::ordered_json parse_json(const std::string&, const JsonComplaints&,
                                           std::vector<std::string>*);

}  // namespace unlazy
