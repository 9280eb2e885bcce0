// What happens at each level of a pruning curve. To add a protocol, write a file here and add a
// line to registry.cpp. Other files only use the functions below, so none of them knows a
// protocol's name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/registry.h"
#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

class CurveMaker;
class PrunedNetwork;

class Protocol {
 public:
  virtual ~Protocol() = default;

  /// Makes the levels of `maker.densities()` in order, and keeps those that were measured before an
  /// interrupt. `network` holds the trained weights, maker.trained(). Returns kInterrupted when the
  /// hooks ask to stop. The masks of the levels are nested.
  virtual train::Outcome make_levels(CurveMaker& maker, PrunedNetwork& network) const = 0;

  /// The names of the options that this protocol reads and others do not; see check_options().
  /// --rewind-to is not among them: a network that is trained first has a checkpoint there,
  /// whatever the protocol is.
  virtual std::vector<std::string> options() const = 0;
  /// Throws a misuse Error when something is missing that the protocol needs. `base` says how the
  /// network was trained.
  virtual void check(const train::TrainOptions& base, const PruneOptions& options) const;
  /// Does a level go back to the checkpoint of --rewind-to, which must belong to a run?
  virtual bool is_rewinding() const { return false; }
  /// Are levels trained, each from the one before?
  virtual bool is_trained() const { return false; }
  /// How many steps a level is trained, when the run that is pruned is `run`.
  virtual int64_t level_steps(const train::Experiment& run, const PruneOptions& options) const;
  /// Does it need a curve that was made before (--masks-from)?
  virtual bool needs_curve() const { return false; }

  /// The criterion of its masks.
  virtual std::string criterion(const PruneOptions& options) const;
  /// What is added to the protocol's name where a curve is named: "-layer-magnitude".
  virtual std::string suffix(const PruneOptions& options) const;
};

using MakeProtocol = std::unique_ptr<Protocol>();
const Registry<MakeProtocol>& pruning_protocols();

/// Throws a misuse Error when an option is not at its default although none of `protocols` (one, or
/// those of a sweep) reads it and another protocol does.
void check_options(const PruneOptions& options, const std::vector<std::string>& protocols);

/// The panels of Figure 1c: the protocols that need no other curve, and "PROTOCOL-recalibrated" for
/// each that reads --recalibrate-bn.
std::vector<Choice> panel_protocols();
/// The options of one of these panels.
PruneOptions with_panel(PruneOptions options, const std::string& panel);

}  // namespace unlazy::experiments
