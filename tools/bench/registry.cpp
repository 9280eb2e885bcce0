#include "bench/benchmarks.h"

namespace unlazy::tools {

MakeCommand make_bench_synthetic, make_bench_train, make_bench_prune, make_bench_sparse,
    make_bench_linearise;

const Registry<MakeCommand>& benchmarks() {
  static const Registry<MakeCommand> registry(
      "bench",
      {
          {"synthetic", "steps of the two-layer linear network, beside their floor",
           make_bench_synthetic},
          {"train", "one training step: images/s, and where the time goes", make_bench_train},
          {"linearise", "an NTK-parameterised network, its kernel and its linearisation",
           make_bench_linearise},
          {"prune", "levels of a pruning curve, beside torch.nn.utils.prune", make_bench_prune},
          {"sparse", "layers with pruned weights, dense against sparse: where a mask saves time",
           make_bench_sparse},
      });
  return registry;
}

}  // namespace unlazy::tools
