// The fraction of zeros behind each ReLU, in the order in which the network runs them, and over all
// of them. LibTorch's own observer of operators finds the ReLUs, so models need not name them.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>

#include <cstring>

#include "measure/loss_surface.h"

namespace unlazy::measure {
namespace {

struct Counts {
  std::vector<at::Tensor> zeros;  // a scalar for each ReLU, summed over chunks
  std::vector<double> sizes;
  size_t next = 0;  // the ReLU that comes next
};

// The observer is a plain function; it finds its counts here. Null: nothing is counted.
thread_local Counts* counting = nullptr;

void count_zeros(const at::RecordFunction& call, at::ObserverContext*) {
  if (counting == nullptr) return;
  if (std::strcmp(call.name(), "aten::relu") != 0 && std::strcmp(call.name(), "aten::relu_") != 0)
    return;
  auto& counts = *counting;
  counting = nullptr;  // not for the operators below
  const auto y = call.outputs().at(0).toTensor();
  const auto zeros = (y == 0).sum().to(c10::kDouble);
  if (counts.next == counts.zeros.size()) {
    counts.zeros.push_back(at::zeros_like(zeros));
    counts.sizes.push_back(0);
  }
  counts.zeros[counts.next].add_(zeros);
  counts.sizes[counts.next++] += static_cast<double>(y.numel());
  counting = &counts;
}

class Observer {
 public:
  explicit Observer(Counts& counts) {
    counting = &counts;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(nullptr, count_zeros)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~Observer() {
    at::removeCallback(handle_);
    counting = nullptr;
  }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

 private:
  at::CallbackHandle handle_;
};

}  // namespace

std::vector<Value> measure_activation_sparsity(const Subject& subject) {
  Counts counts;
  {
    LossSurface surface(subject);
    const Observer observer(counts);
    surface.for_each_forward([&] { counts.next = 0; });
  }
  std::vector<Value> values;
  auto zeros = at::zeros({}, subject.train.labels.options().dtype(c10::kDouble));
  double size = 0;
  for (size_t i = 0; i < counts.zeros.size(); ++i) {
    zeros.add_(counts.zeros[i]);
    size += counts.sizes[i];
    values.push_back(
        {"activation_sparsity/relu" + std::to_string(i + 1), counts.zeros[i] / counts.sizes[i]});
  }
  if (size > 0) values.insert(values.begin(), Value{"activation_sparsity", zeros / size});
  return values;
}

}  // namespace unlazy::measure
