// The subcommands of the program, in the order of `unlazy --help`.
#include "command.h"

namespace unlazy::tools {

MakeCommand make_train, make_sweep, make_synthetic, make_compare, make_prune, make_measure,
    make_landscape, make_reproduce, make_data, make_report, make_watch, make_model, make_bench,
    make_info, make_completion;

const Registry<MakeCommand>& commands() {
  static const Registry<MakeCommand> registry(
      "command",
      {
          {"train", "train a network with label noise or SAM", make_train},
          {"sweep", "many runs over a grid of options, on several machines or a cluster",
           make_sweep},
          {"measure", "Hessian, sharpness, kernel and noise of a checkpoint", make_measure},
          {"landscape", "loss along a line between checkpoints or over a plane around one",
           make_landscape},
          {"synthetic", "exact dynamics of the two-layer linear network: figures 2 and 4, theory",
           make_synthetic},
          {"prune", "accuracy against remaining weights; figure 1c", make_prune},
          {"compare", "lazy or rich: a network against its linearisation; figures 3 and 5",
           make_compare},
          {"reproduce", "redraw a figure of the paper", make_reproduce},
          {"data", "look at, preview, export or pack a data set", make_data},
          {"report", "a table, a page or figures of runs", make_report},
          {"watch", "curves of runs in the terminal, while they grow", make_watch},
          {"model", "look at a network from Python, or check it against Python", make_model},
          {"bench", "time parts of the program on this machine", make_bench},
          {"info", "print versions, devices, CPU features and the data sets found", make_info},
          {"completion", "print the completion script for bash", make_completion},
      });
  return registry;
}

}  // namespace unlazy::tools
