// The subcommands of the program, in the order of `unlazy --help`.
#include "command.h"

namespace unlazy::tools {

MakeCommand make_train, make_data, make_info, make_bench;

const Registry<MakeCommand>& commands() {
  static const Registry<MakeCommand> registry(
      "unlazy",
      {
          {"train", "train a network with label noise", make_train},
          {"data", "look at, export or pack a data set", make_data},
          {"bench", "time parts of the program on this machine", make_bench},
          {"info", "print versions, devices, CPU features and the data sets found", make_info},
      });
  return registry;
}

}  // namespace unlazy::tools
