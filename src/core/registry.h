// A named list of components of one kind (noise kinds, models, optimizers, ...). Each folder's
// registry.cpp holds one. To add a component, write one file and add one line there. There are no
// self-registering statics: a linker drops them from static libraries.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/names.h"

namespace unlazy {

/// One of the words that an option accepts, with a sentence about it.
struct Choice {
  std::string name;
  std::string help;
};

/// `Make` is the type of the function that builds a component.
template <class Make>
class Registry {
 public:
  struct Entry {
    std::string name;  // what the user types
    std::string help;  // one sentence
    Make* make;
  };

  Registry(std::string kind, std::vector<Entry> entries)
      : kind_(std::move(kind)), entries_(std::move(entries)) {}

  const std::vector<Entry>& entries() const { return entries_; }

  /// The entry called `name`; throws a misuse Error that names the nearest known one.
  const Entry& find(std::string_view name) const {
    std::vector<std::string> known;
    for (const auto& entry : entries_) {
      if (entry.name == name) return entry;
      known.push_back(entry.name);
    }
    throw Error(kind_ + ": there is no '" + std::string(name) + "'; " + suggest(name, known),
                Error::Kind::kMisuse);
  }

  /// For an option's list of allowed words.
  std::vector<Choice> choices() const {
    std::vector<Choice> list;
    for (const auto& entry : entries_) list.push_back({entry.name, entry.help});
    return list;
  }

 private:
  std::string kind_;
  std::vector<Entry> entries_;
};

}  // namespace unlazy
