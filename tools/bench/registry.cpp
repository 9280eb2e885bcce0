#include "bench/benchmarks.h"

namespace unlazy::tools {

MakeCommand make_bench_train, make_bench_sparse;

const Registry<MakeCommand>& benchmarks() {
  static const Registry<MakeCommand> registry(
      "bench",
      {
          {"train", "one training step: images/s, and where the time goes", make_bench_train},
          {"sparse", "layers with pruned weights, dense against sparse: where a mask saves time",
           make_bench_sparse},
      });
  return registry;
}

}  // namespace unlazy::tools
