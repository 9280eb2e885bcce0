#include "experiments/pruning/curve.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <variant>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "experiments/pruning/protocol.h"
#include "prune/filters.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string seconds_text(double seconds) { return rounded_text(seconds, 3); }
std::string rate_text(double rate) { return rounded_text(rate); }

// A number of a level: curve.json and curve.csv hold what stands in level_fields(), in this order.
struct LevelField {
  std::string name;  // in curve.json; the csv has '_' for '-'
  std::variant<double CurveLevel::*, int64_t CurveLevel::*> member;
  std::string (*text)(double) = number_text;  // of a double, in the csv
  double when_null = NAN;                     // JSON has neither nan nor inf
};

const std::vector<LevelField>& level_fields() {
  static const std::vector<LevelField> fields = {
      {"target", &CurveLevel::target},
      {"density", &CurveLevel::density},
      {"weights", &CurveLevel::weights},
      {"parameters", &CurveLevel::parameters},
      {"test-loss", &CurveLevel::loss},
      {"test-accuracy", &CurveLevel::accuracy},
      {"multiply-adds", &CurveLevel::multiply_adds},
      {.name = "speed-up", .member = &CurveLevel::speed_up, .when_null = INFINITY},
      {"seconds", &CurveLevel::seconds, seconds_text},
      {"images-per-second", &CurveLevel::images_per_second, rate_text},
  };
  return fields;
}

std::string csv_text(const LevelField& field, double value) { return field.text(value); }
std::string csv_text(const LevelField&, int64_t value) { return std::to_string(value); }

void read_value(const Json& json, const LevelField& field, double& value) {
  value = json.is_null() ? field.when_null : json.get<double>();
}
void read_value(const Json& json, const LevelField&, int64_t& value) { value = json; }

Json to_json(const CurveLevel& level) {
  Json json;
  for (const auto& field : level_fields())
    std::visit([&](auto member) { json[field.name] = level.*member; }, field.member);
  json["layers"] = Json::object();
  for (const auto& layer : level.layers)
    json["layers"][layer.name] = {{"total", layer.total}, {"kept", layer.kept}};
  return json;
}

// What an older file lacks stays at its default.
CurveLevel level_of(const Json& json) {
  CurveLevel level;
  for (const auto& field : level_fields()) {
    if (!json.contains(field.name)) continue;
    std::visit([&](auto member) { read_value(json.at(field.name), field, level.*member); },
               field.member);
  }
  for (const auto& [name, count] : json.at("layers").items())
    level.layers.push_back({name, count.at("total"), count.at("kept")});
  return level;
}

std::string csv_head() {
  std::string head = "level";
  for (const auto& field : level_fields()) head += "," + field.name;
  std::replace(head.begin(), head.end(), '-', '_');
  return head;
}

std::string csv_row(size_t index, const CurveLevel& level) {
  std::string row = std::to_string(index);
  for (const auto& field : level_fields()) {
    row += ',';
    std::visit([&](auto member) { row += csv_text(field, level.*member); }, field.member);
  }
  return row;
}

double density_of(const prune::LayerCount& layer) {
  return static_cast<double>(layer.kept) / static_cast<double>(layer.total);
}

}  // namespace

std::vector<OptionTable> describe(PruneOptions& o) {
  OptionTable table(
      "Pruning",
      {{.name = "run",
        .target = &o.run,
        .help = "Folder of the run whose newest checkpoint is pruned; its options apply unless you "
                "give them again. Without --run and --weights a network is trained first.",
        .role = Role::kSource,
        .is_common = true},
       {.name = "protocol",
        .target = &o.protocol,
        .help = "What happens at each level.",
        .choices = pruning_protocols().choices(),
        .is_common = true},
       {.name = "filter-score",
        .target = &o.filter_score,
        .help = "Which filters --protocol filters removes first: those of lowest score.",
        .choices = prune::filter_scores()},
       {.name = "recalibrate-bn",
        .target = &o.recalibrate_bn,
        .help = "one-shot and filters: recompute BatchNorm's running statistics at each level.",
        .is_common = true},
       {.name = "recalibrate-batches",
        .target = &o.recalibrate_batches,
        .range = Range::at_least(1),
        .unit = "batches",
        .help =
            "Number of training batches that --recalibrate-bn averages over, at most one epoch."},
       {.name = "fine-tune",
        .target = &o.fine_tune,
        .range = Range::left_open(0, Step::kMost),
        .help = "How long --protocol fine-tune trains after each level.",
        .is_common = true},
       {.name = "rewind-to",
        .target = &o.rewind_to,
        .range = Range::closed(0, Step::kMost),
        .help = "The step that imp, random and lr-rewind go back to; steps above 0 need a "
                "checkpoint there (--checkpoint-at of the run).",
        .is_common = true},
       {.name = "masks-from",
        .target = &o.masks_from,
        .help = "Folder of an imp curve whose masks --protocol reinit trains.",
        .role = Role::kSource},
       {.name = "save-weights",
        .target = &o.save_weights,
        .help =
            "Write the mask and the pruned weights of each level to OUT/level-NN/*.safetensors.",
        .role = Role::kOutput,
        .is_common = true},
       {.name = "gradient-batches",
        .target = &o.gradient_batches,
        .range = Range::at_least(1),
        .unit = "batches",
        .help =
            "Number of training batches on which --criterion gradient computes the gradient."}});
  return {table, prune::describe(o.criterion), prune::describe(o.levels)};
}

std::string protocol_name(const PruneOptions& o) {
  const std::string recalibrated = o.recalibrate_bn ? "-recalibrated" : "";
  return o.protocol + recalibrated + pruning_protocols().find(o.protocol).make()->suffix(o);
}

std::string default_out(const train::TrainOptions& base, const PruneOptions& options) {
  const std::string name = "prune-" + protocol_name(options);
  return options.run.empty() ? train::default_out(base) + "-" + name : options.run + "/" + name;
}

void write_curve(const std::string& folder, const PruningCurve& curve) {
  Json json;
  json["run"] = curve.run;
  json["label"] = curve.label;
  json["protocol"] = curve.protocol;
  json["criterion"] = curve.criterion;
  json["precision"] = curve.precision;
  json["seed"] = curve.seed;
  json["classes"] = curve.num_classes;
  json["settings"] = curve.settings;
  std::ostringstream table, layers;
  table << csv_head() << '\n';
  layers << "level,layer,total,kept,density\n";
  for (size_t i = 0; i < curve.levels.size(); ++i) {
    const auto& level = curve.levels[i];
    json["levels"].push_back(to_json(level));
    table << csv_row(i, level) << '\n';
    for (const auto& layer : level.layers) {
      layers << i << ',' << layer.name << ',' << layer.total << ',' << layer.kept << ','
             << number_text(density_of(layer)) << '\n';
    }
  }
  write_file(folder + "/curve.json", json.dump(2) + "\n");
  write_file(folder + "/curve.csv", table.str());
  write_file(folder + "/layers.csv", layers.str());
}

PruningCurve read_curve(const std::string& folder) {
  const auto json = read_json_file(folder + "/curve.json");
  PruningCurve curve;
  curve.run = json.at("run");
  curve.label = json.at("label");
  curve.protocol = json.at("protocol");
  curve.criterion = json.at("criterion");
  curve.precision = json.at("precision");
  curve.seed = json.at("seed");
  curve.num_classes = json.value("classes", int64_t{0});
  curve.settings = json.value("settings", Settings());
  for (const auto& level : json.at("levels")) curve.levels.push_back(level_of(level));
  return curve;
}

}  // namespace unlazy::experiments
