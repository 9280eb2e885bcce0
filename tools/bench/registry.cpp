#include "bench/benchmarks.h"

namespace unlazy::tools {

MakeCommand make_bench_train;

const Registry<MakeCommand>& benchmarks() {
  static const Registry<MakeCommand> registry(
      "bench",
      {
          {"train", "one training step: images/s, and where the time goes", make_bench_train},
      });
  return registry;
}

}  // namespace unlazy::tools
