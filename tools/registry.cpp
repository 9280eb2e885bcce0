// The subcommands of the program, in the order of `unlazy --help`.
#include "command.h"

namespace unlazy::tools {

MakeCommand make_data, make_info, make_train;

const Registry<MakeCommand>& commands() {
  static const Registry<MakeCommand> registry(
      "unlazy",
      {
          {"data", "look at a data set, export it as PNG files, or pack an image folder",
           make_data},
          {"info", "print versions, devices, CPU features and the data sets found", make_info},
      });
  return registry;
}

}  // namespace unlazy::tools
