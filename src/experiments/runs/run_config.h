// What the config.json of a run says, made comparable: the settings that decide its result, and the
// command that would make it again.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

/// The value of an option as the user would write it: "0.1", "true", "80ep,120ep".
std::string text_of_value(const nlohmann::ordered_json& value);

/// The options of `unlazy train` in `config` that decide the result (Role::kSetting, kLength and
/// kSource), without the seed. An option that the file lacks, because an older version wrote it, is
/// at its default.
Settings settings_in(const nlohmann::ordered_json& config);

/// All options of `config` as text, those of the machine too: what the page shows.
Settings options_in(const nlohmann::ordered_json& config);

int64_t seed_in(const nlohmann::ordered_json& config);

/// The size of label noise: 0 without noise, the rate of kinds that have one, nothing for others.
std::optional<double> noise_rate_in(const Settings& settings);

/// The settings without those of label noise: what a run with noise and one without have in common.
Settings without_noise(const Settings& settings);

/// "unlazy train --noise flip --noise-rate 0.1 --out runs/a": the options that are not at their
/// defaults, without those of the machine. A linearised run has no command of its own, and the
/// text says which command makes it.
std::string command_of(const nlohmann::ordered_json& config);

}  // namespace unlazy::experiments
