// Files that belong to the program: presets and the sample of data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/registry.h"

namespace unlazy {

/// The folders that are searched, in order, for a resource such as "presets/fig2.json" or
/// "data/sample": $UNLAZY_SHARE, share/unlazy beside the folder of the program, and the source tree
/// this library was built from (tools/presets, data/sample).
std::vector<std::string> resource_places(std::string_view name);

/// The first of these that exists. Throws an Error that names them all.
std::string find_resource(std::string_view name);

/// The path of tools/presets/NAME.json. Throws a misuse Error that names the nearest preset of
/// `command`.
std::string find_preset(std::string_view name, std::string_view command);

/// The presets of a command, sorted, each with what its file says under "about"; empty when there
/// is no folder of presets.
std::vector<Choice> presets(std::string_view command);

}  // namespace unlazy
