// What happens at each level of a pruning curve. Adding a protocol: a file here, and a line in
// registry.cpp. All that other files ask of a protocol is a function below, so that none of them
// knows its name.
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

  /// Makes the levels of `maker.densities()` in order; those that were measured before an interrupt
  /// are taken. `network` holds the trained weights, maker.trained(). kInterrupted when the hooks
  /// ask to stop. The masks of the levels are nested.
  virtual train::Outcome make_levels(CurveMaker& maker, PrunedNetwork& network) const = 0;

  /// The options that this protocol reads and others do not, by name; see check_options().
  /// --rewind-to is none of them: a network that is trained first has a checkpoint there whatever
  /// the protocol is.
  virtual std::vector<std::string> options() const = 0;
  /// Throws a misuse Error when something is missing that the protocol needs. `base`: how the
  /// network was trained.
  virtual void check(const train::TrainOptions& base, const PruneOptions& options) const;
  /// Does a level go back to the checkpoint of --rewind-to, which must be one of a run?
  virtual bool is_rewinding() const { return false; }
  /// Are levels trained, each from the one before?
  virtual bool is_trained() const { return false; }
  /// Does it need a curve that was made before (--masks-from)?
  virtual bool needs_curve() const { return false; }

  /// The criterion of its masks.
  virtual std::string criterion(const PruneOptions& options) const;
  /// What follows the protocol's name where a curve is named: "-layer-magnitude".
  virtual std::string suffix(const PruneOptions& options) const;
};

using MakeProtocol = std::unique_ptr<Protocol>();
const Registry<MakeProtocol>& pruning_protocols();

/// Throws a misuse Error when an option is not at its default that only other protocols than
/// `protocols` (one, or those of a sweep) read.
void check_options(const PruneOptions& options, const std::vector<std::string>& protocols);

/// The panels of Figure 1c: the protocols that need no other curve, and "PROTOCOL-recalibrated" for
/// each that reads --recalibrate-bn.
std::vector<Choice> panel_protocols();
/// The options of one of these panels.
PruneOptions with_panel(PruneOptions options, const std::string& panel);

}  // namespace unlazy::experiments
