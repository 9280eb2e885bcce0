// Random: imp with random masks of the same sizes, whatever --criterion is. It shows how much of
// imp's accuracy is due to the choice of the weights that stay.
#include "experiments/pruning/imp.h"

namespace unlazy::experiments {
namespace {

class Random : public Imp {
 public:
  std::vector<std::string> options() const override { return {"keep-first", "keep-last"}; }
  std::string criterion(const PruneOptions&) const override { return "random"; }
  std::string suffix(const PruneOptions&) const override { return ""; }
};

}  // namespace

std::unique_ptr<Protocol> make_random() { return std::make_unique<Random>(); }

}  // namespace unlazy::experiments
