#include "experiments/pruning/curve.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "prune/filters.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::vector<Choice> protocol_choices() {
  return {{"one-shot", "prune the trained network to each density, without training"},
          {"fine-tune", "train for --fine-tune after each level, at the last learning rate"},
          {"imp", "put what is left back to --rewind-to and train again, level by level"},
          {"lr-rewind", "keep the weights, put only the schedule back to --rewind-to, and train"},
          {"random", "as imp, with random masks of the same sizes"},
          {"reinit", "the masks of --masks-from on a new initialisation, trained from the start"},
          {"filters", "remove whole filters inside residual blocks: smaller, faster networks"}};
}

Json to_json(const CurveLevel& level) {
  Json json;
  json["target"] = level.target;
  json["density"] = level.density;
  json["weights"] = level.weights;
  json["parameters"] = level.parameters;
  json["test-loss"] = level.loss;
  json["test-accuracy"] = level.accuracy;
  json["multiply-adds"] = level.multiply_adds;
  json["speed-up"] = level.multiply_adds > 0 ? Json(level.speed_up) : Json();
  json["seconds"] = level.seconds;
  json["images-per-second"] = level.images_per_second;
  for (const auto& layer : level.layers)
    json["layers"][layer.name] = {{"total", layer.total}, {"kept", layer.kept}};
  return json;
}

CurveLevel level_of(const Json& json) {
  CurveLevel level;
  level.target = json.at("target");
  level.density = json.at("density");
  level.weights = json.at("weights");
  level.parameters = json.at("parameters");
  level.loss = json.at("test-loss").is_null() ? NAN : json.at("test-loss").get<double>();
  level.accuracy = json.at("test-accuracy");
  level.multiply_adds = json.at("multiply-adds");
  level.speed_up = json.at("speed-up").is_null() ? INFINITY : json.at("speed-up").get<double>();
  level.seconds = json.at("seconds");
  level.images_per_second = json.at("images-per-second");
  for (const auto& [name, count] : json.at("layers").items())
    level.layers.push_back({name, count.at("total"), count.at("kept")});
  return level;
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
        .help = "Folder of the run whose newest checkpoint is pruned; its options hold unless "
                "given anew. Without it and without --weights a network is trained first."},
       {.name = "protocol",
        .target = &o.protocol,
        .help = "What happens at each level.",
        .choices = protocol_choices()},
       {.name = "filter-score",
        .target = &o.filter_score,
        .help = "Which filters --protocol filters removes first: those of lowest score.",
        .choices = prune::filter_scores()},
       {.name = "recalibrate-bn",
        .target = &o.recalibrate_bn,
        .help = "one-shot and filters: compute BatchNorm's running statistics anew at each level."},
       {.name = "recalibrate-batches",
        .target = &o.recalibrate_batches,
        .range = Range::at_least(1),
        .unit = "batches",
        .help = "Training batches that --recalibrate-bn averages over, at most an epoch."},
       {.name = "fine-tune",
        .target = &o.fine_tune,
        .help = "How long --protocol fine-tune trains after each level."},
       {.name = "rewind-to",
        .target = &o.rewind_to,
        .help = "The step that imp, random and lr-rewind go back to; steps above 0 need a "
                "checkpoint there (--checkpoint-at of the run)."},
       {.name = "masks-from",
        .target = &o.masks_from,
        .help = "Folder of an imp curve whose masks --protocol reinit trains."},
       {.name = "save-weights",
        .target = &o.save_weights,
        .help = "Write mask and pruned weights of each level, OUT/level-NN/*.safetensors."},
       {.name = "gradient-batches",
        .target = &o.gradient_batches,
        .range = Range::at_least(1),
        .unit = "batches",
        .help = "Training batches that --criterion gradient takes the gradient of."}});
  return {table, prune::describe(o.criterion), prune::describe(o.levels)};
}

std::string protocol_name(const PruneOptions& o) {
  std::string name = o.protocol;
  if (o.recalibrate_bn) name += "-recalibrated";
  if (o.protocol == "filters") return name + "-" + o.filter_score;
  if (o.criterion.name != "magnitude" && o.protocol != "random") name += "-" + o.criterion.name;
  return name;
}

train::TrainOptions options_of_run(const std::string& run) {
  const std::string path = run + "/config.json";
  UNLAZY_CHECK_USAGE(fs::exists(path), run,
                     ": holds no run (no config.json); name the folder that `unlazy train` wrote");
  train::TrainOptions options;
  Options("train", train::describe(options)).read_file(path);
  options.run.out.clear();
  return options;
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
  json["settings"] = curve.settings;
  std::ostringstream table, layers;
  table << "level,target,density,weights,parameters,test_loss,test_accuracy,multiply_adds,"
           "speed_up,seconds,images_per_second\n";
  layers << "level,layer,total,kept,density\n";
  for (size_t i = 0; i < curve.levels.size(); ++i) {
    const auto& level = curve.levels[i];
    json["levels"].push_back(to_json(level));
    table << i << ',' << number_text(level.target) << ',' << number_text(level.density) << ','
          << level.weights << ',' << level.parameters << ',' << number_text(level.loss) << ','
          << number_text(level.accuracy) << ',' << level.multiply_adds << ','
          << number_text(level.speed_up) << ',' << rounded_text(level.seconds, 3) << ','
          << rounded_text(level.images_per_second) << '\n';
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
  curve.settings = json.value("settings", Settings());
  for (const auto& level : json.at("levels")) curve.levels.push_back(level_of(level));
  return curve;
}

}  // namespace unlazy::experiments
