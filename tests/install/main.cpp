// Uses a part of each room, so that headers and libraries of all of them must have come along.
#include <cstdio>

#include "core/version.h"
#include "data/dataset.h"
#include "models/model.h"
#include "noise/label_noise.h"

int main() {
  const auto model = unlazy::models::make_model({.name = "mlp"}, {}, /*seed=*/0);
  std::printf("unlazy %s, LibTorch %s, %zu data sources, %zu noise kinds, %lld parameters\n",
              unlazy::version().c_str(), unlazy::libtorch_version().c_str(),
              unlazy::data::sources().entries().size(), unlazy::noise::registry().entries().size(),
              static_cast<long long>(unlazy::models::num_parameters(*model)));
}
