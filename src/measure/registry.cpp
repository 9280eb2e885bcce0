#include "measure/measurement.h"

namespace unlazy::measure {

Measure measure_test, measure_train_set, measure_weight_norm, measure_gradient_norm,
    measure_distance;

const Registry<Measure>& registry() {
  static const Registry<Measure> measurements(
      "measurement",
      {
          {"test", "loss and accuracy on the test set", measure_test},
          {"train-set",
           "loss and accuracy on the whole training set, clean labels, no augmentation",
           measure_train_set},
          {"weight-norm", "Euclidean norm of all parameters", measure_weight_norm},
          {"gradient-norm", "Euclidean norm of the last update's gradient", measure_gradient_norm},
          {"distance", "Euclidean distance of all parameters from initialisation",
           measure_distance},
      });
  return measurements;
}

OptionTable describe(MeasureOptions& o) {
  std::vector<std::string> names;
  for (const auto& entry : registry().entries())
    names.push_back(entry.name + " (" + entry.help + ")");
  return {"Measurements",
          {{.name = "measure",
            .target = &o.names,
            .help = "What to measure during training: " + join(names) + ".",
            .choices = registry().choices()},
           {.name = "measure-every",
            .target = &o.every,
            .help = "How often; also before the first step and at the end."}}};
}

}  // namespace unlazy::measure
