#include "prune/multiply_adds.h"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <torch/nn/module.h>

#include <map>
#include <memory>
#include <string_view>

namespace unlazy::prune {
namespace {

// Where the weights of each layer lie in memory, and what the pass did with them. The observer is a
// plain function, so it finds its notes through a thread-local pointer that lives as long as the
// pass.
struct Notes {
  std::map<const void*, size_t> layer_at;
  std::vector<int64_t> channels;   // of its output
  std::vector<int64_t> positions;  // of its output, an image
};
thread_local Notes* current = nullptr;

// The layer that a call is of, from its start to its end.
struct Call : at::ObserverContext {
  size_t layer = 0;
  bool is_scaling = false;  // the weight times a number, as in the NTK parameterisation
};

// Inputs can be seen at the start only, outputs at the end only. A linear layer is a product with
// the transposed weight, which begins at the same address.
std::unique_ptr<at::ObserverContext> note_layer(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  const bool is_scaling = name == "aten::mul";
  const size_t place = is_scaling ? 0 : name == "aten::addmm" ? 2 : 1;
  if (place == 1 && name != "aten::conv2d" && name != "aten::mm") return nullptr;
  if (!function.inputs()[place].isTensor()) return nullptr;
  const auto found = current->layer_at.find(function.inputs()[place].toTensor().const_data_ptr());
  if (found == current->layer_at.end()) return nullptr;
  auto call = std::make_unique<Call>();
  call->layer = found->second;
  call->is_scaling = is_scaling;
  return call;
}

void note_output(const at::RecordFunction& function, at::ObserverContext* context) {
  if (context == nullptr) return;
  const auto* call = static_cast<const Call*>(context);
  if (call->is_scaling) {
    current->layer_at[function.outputs()[0].toTensor().const_data_ptr()] = call->layer;
    return;
  }
  current->positions[call->layer] +=
      function.outputs()[0].toTensor().numel() / current->channels[call->layer];
}

class Watch {
 public:
  explicit Watch(Notes& notes) {
    current = &notes;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&note_layer, &note_output)
                                             .needsInputs(true)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~Watch() {
    at::removeCallback(handle_);
    current = nullptr;
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  at::CallbackHandle handle_;
};

}  // namespace

std::vector<int64_t> output_positions(models::Model& model, const optim::FlatParameters& parameters,
                                      const at::Tensor& image) {
  const at::NoGradGuard no_grad;
  const auto layers = weight_layers(parameters);
  const auto named = model.module().named_parameters();
  Notes notes;
  notes.positions.assign(layers.size(), 0);
  for (size_t i = 0; i < layers.size(); ++i) {
    notes.layer_at[named[layers[i].name].const_data_ptr()] = i;
    notes.channels.push_back(layers[i].shape[0]);
  }
  const bool was_training = model.module().is_training();
  model.module().eval();
  {
    const Watch watch(notes);
    model.forward(image);
  }
  model.module().train(was_training);
  return notes.positions;
}

int64_t multiply_adds(const std::vector<LayerCount>& layers,
                      const std::vector<int64_t>& positions) {
  int64_t sum = 0;
  for (size_t i = 0; i < layers.size(); ++i) sum += layers[i].kept * positions[i];
  return sum;
}

}  // namespace unlazy::prune
