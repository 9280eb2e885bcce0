// Filters: removes whole filters inside residual blocks (prune/filters.h). Each level is a smaller
// dense network, saved as level-NN/model.safetensors with its options in level-NN/config.json.
// Densities count those filters.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "experiments/pruning/curve_maker.h"
#include "experiments/pruning/pruned_network.h"
#include "prune/filters.h"

namespace unlazy::experiments {
namespace {

// A smaller network's numbers, as parts of the whole one's.
void relate(CurveLevel& level, const CurveLevel& dense) {
  level.density = static_cast<double>(level.weights) / static_cast<double>(dense.weights);
  level.speed_up =
      static_cast<double>(dense.multiply_adds) / static_cast<double>(level.multiply_adds);
  for (size_t i = 0; i < level.layers.size(); ++i) level.layers[i].total = dense.layers[i].total;
}

class Filters : public Protocol {
 public:
  train::Outcome make_levels(CurveMaker& maker, PrunedNetwork& network) const override {
    network.apply(prune::full_mask(network.parameters()));
    const auto dense = network.evaluate(1);
    for (size_t i = 0; i < maker.densities().size(); ++i) {
      if (maker.take_measured(i)) continue;
      if (maker.should_stop()) return train::Outcome::kInterrupted;
      add_level(maker, network, dense, i);
    }
    return train::Outcome::kDone;
  }

  std::vector<std::string> options() const override {
    return {"filter-score", "recalibrate-bn", "recalibrate-batches"};
  }

  void check(const train::TrainOptions& base, const PruneOptions&) const override {
    UNLAZY_CHECK_USAGE(base.model.parameterization == "default",
                       "prune: --protocol filters changes fan_in, which --parameterization ",
                       base.model.parameterization, " scales by; use another protocol");
    UNLAZY_CHECK_USAGE(!base.model.name.starts_with("file:"),
                       "prune: --protocol filters builds narrower layers, but the graph of ",
                       base.model.name, " has fixed sizes; use another protocol");
  }

  std::string suffix(const PruneOptions& o) const override { return "-" + o.filter_score; }

 private:
  static void add_level(CurveMaker& maker, PrunedNetwork& network, const CurveLevel& dense,
                        size_t i) {
    const auto& o = maker.options();
    const Stopwatch watch;
    const auto tensors = network.experiment().named_tensors();
    const auto filters = prune::choose_filters(tensors, o.filter_score, maker.densities()[i]);
    const std::string folder = maker.level(i);
    auto options = maker.base();
    options.model.block_widths = prune::block_widths(filters);
    options.run.weights = folder + "/model.safetensors";
    options.run.resume = options.run.overwrite = false;
    std::filesystem::create_directories(folder);
    save_tensors(options.run.weights, {prune::remove_filters(tensors, filters),
                                       {{"format", "pt"}, {"model", options.model.name}}});
    write_file(folder + "/config.json",
               Options("train", train::describe(options)).to_json().dump(2) + "\n");
    PrunedNetwork smaller(options, options.run.weights);
    smaller.apply(prune::full_mask(smaller.parameters()));
    if (o.recalibrate_bn) {
      smaller.recalibrate(o.recalibrate_batches);
      smaller.save(options.run.weights);
    }
    auto level = smaller.evaluate(maker.densities()[i]);
    relate(level, dense);
    level.seconds = watch.seconds();
    maker.add_level(std::move(level));
  }
};

}  // namespace

std::unique_ptr<Protocol> make_filters() { return std::make_unique<Filters>(); }

}  // namespace unlazy::experiments
