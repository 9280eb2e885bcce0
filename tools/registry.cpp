// The subcommands of the program, in the order of `unlazy --help`.
#include "command.h"

namespace unlazy::tools {

<<<<<<< HEAD
MakeCommand make_train, make_data, make_info, make_bench;
=======
MakeCommand make_data, make_info, make_bench, make_train;
>>>>>>> data

const Registry<MakeCommand>& commands() {
  static const Registry<MakeCommand> registry(
      "unlazy",
      {
<<<<<<< HEAD
          {"train", "train a network with label noise", make_train},
          {"data", "look at, export or pack a data set", make_data},
=======
          {"data", "look at a data set, export it as PNG files, or pack an image folder",
           make_data},
>>>>>>> data
          {"bench", "time parts of the program on this machine", make_bench},
          {"info", "print versions, devices, CPU features and the data sets found", make_info},
      });
  return registry;
}

}  // namespace unlazy::tools
