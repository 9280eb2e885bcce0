#include "linearise/layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/constant_pad_nd.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace unlazy::linearise {
namespace {

namespace ag = torch::autograd;
using ag::generated::AddmmBackward0;
using ag::generated::ConvolutionBackward0;
using ag::generated::MmBackward0;
using ag::generated::MulBackward1;
using ag::generated::NativeBatchNormBackward0;
using ag::generated::NativeGroupNormBackward0;
using ag::generated::NativeLayerNormBackward0;

// The graph keeps a convolution's numbers as they were given: {1} for {1, 1} as well.
std::vector<int64_t> pair(const std::vector<c10::SymInt>& values) {
  std::vector<int64_t> list;
  for (const auto& value : values) list.push_back(value.expect_int());
  if (list.size() == 1) list.push_back(list[0]);
  return list;
}

class Finder {
 public:
  Finder(const at::Tensor& outputs, const std::vector<at::Tensor>& parameters)
      : parameters_(parameters), num_samples_(outputs.size(0)) {
    for (size_t i = 0; i < parameters.size(); ++i)
      places_[ag::impl::grad_accumulator(parameters[i]).get()] = i;
    visit(outputs.grad_fn());
  }

  // nodes_ is in the order of the visit, the same for every pass of the same network.
  void read() {
    for (auto* node : nodes_) {
      if (auto* n = dynamic_cast<ConvolutionBackward0*>(node)) convolution(*n);
      if (auto* n = dynamic_cast<AddmmBackward0*>(node)) addmm(*n);
      if (auto* n = dynamic_cast<MmBackward0*>(node)) mm(*n);
      if (auto* n = dynamic_cast<NativeBatchNormBackward0*>(node)) batch_norm(*n);
      if (auto* n = dynamic_cast<NativeLayerNormBackward0*>(node)) layer_norm(*n);
      if (auto* n = dynamic_cast<NativeGroupNormBackward0*>(node)) group_norm(*n);
    }
  }

  std::map<size_t, Use> uses;

 private:
  void visit(const std::shared_ptr<ag::Node>& root) {
    std::vector<ag::Node*> stack = {root.get()};
    std::set<ag::Node*> seen = {root.get()};
    while (!stack.empty()) {
      auto* node = stack.back();
      stack.pop_back();
      nodes_.push_back(node);
      for (const auto& edge : node->next_edges()) {
        if (!edge.is_valid()) continue;
        ++num_readers_[edge.function.get()];
        if (seen.insert(edge.function.get()).second) stack.push_back(edge.function.get());
      }
    }
  }

  struct Source {
    size_t parameter;
    double factor;
  };
  // Follows leaf <- (times a number | transposed)* <- edge; nothing if others read along the way.
  std::optional<Source> source(const ag::Edge& edge, bool is_transposed) const {
    double factor = 1;
    auto* node = edge.function.get();
    while (node != nullptr && num_readers_.at(node) == 1) {
      const auto place = places_.find(node);
      if (place != places_.end())
        return is_transposed ? std::nullopt : std::optional<Source>({place->second, factor});
      if (auto* scaled = dynamic_cast<MulBackward1*>(node)) {
        factor *= scaled->other.toDouble();
      } else if (dynamic_cast<ag::generated::TBackward0*>(node) != nullptr) {
        is_transposed = !is_transposed;
      } else {
        return std::nullopt;
      }
      node = node->next_edge(0).function.get();
    }
    return std::nullopt;
  }

  void add(const ag::Edge& edge, bool is_transposed, Use use) {
    const auto from = source(edge, is_transposed);
    if (!from || (use.role == Role::kShift &&
                  !is_of_channels(parameters_[from->parameter], *use.layer, use.channel_dim)))
      return;
    use.parameter = from->parameter;
    use.factor = from->factor;
    uses[use.parameter] = std::move(use);
  }

  // One entry for each channel of the layer's output. A linear layer also takes a bias that is
  // spread over its channels or samples.
  static bool is_of_channels(const at::Tensor& bias, const ag::Node& layer, int64_t channel_dim) {
    const auto output = layer.input_metadata(0).shape_as_dim_vector();
    const auto& channels = channel_dim < 0 ? output.back() : output[1];
    return bias.dim() == 1 && bias.size(0) == channels.expect_int();
  }

  void convolution(ConvolutionBackward0& n) {
    if (n.transposed || n.groups.expect_int() != 1) return;
    if (n.next_edge(1).is_valid()) {
      const auto input = n.input_.unpack().detach();
      const auto weight = n.weight_.unpack();
      if (input.dim() != 4 || input.size(0) != num_samples_) return;
      add(n.next_edge(1), false,
          {.role = Role::kConvolutionWeight,
           .layer = &n,
           .input = input,
           .kernel = {weight.size(2), weight.size(3)},
           .stride = pair(n.stride),
           .padding = pair(n.padding),
           .dilation = pair(n.dilation)});
    }
    shift(n, 2);
  }

  // The first two sizes of what a view was taken of; nothing for other nodes.
  template <class View>
  static const std::vector<c10::SymInt>* sizes_before(const ag::Node* node) {
    const auto* view = dynamic_cast<const View*>(node);
    return view == nullptr ? nullptr : &view->self_sym_sizes;
  }

  // How many places of a sample the rows of a linear layer's input are: 1 for [N, C]; P where the
  // rows are a view of [N, P, C] (or [N, .., C], P the product); 0 where that is not to be seen.
  int64_t places_of(const ag::Node& n, size_t input_edge, int64_t rows) const {
    if (rows == num_samples_) return 1;
    const auto* node = n.next_edge(input_edge).function.get();
    const auto* sizes = sizes_before<ag::generated::ViewBackward0>(node);
    if (sizes == nullptr) sizes = sizes_before<ag::generated::UnsafeViewBackward0>(node);
    if (sizes == nullptr) sizes = sizes_before<ag::generated::ReshapeAliasBackward0>(node);
    if (sizes == nullptr || sizes->size() < 3 || (*sizes)[0].expect_int() != num_samples_) return 0;
    return rows % num_samples_ == 0 ? rows / num_samples_ : 0;
  }

  // A linear layer on [N, C], or on [N P, C] for P places of a sample: bias + x W^T.
  bool linear(ag::Node& n, size_t input_edge, size_t weight_edge, const ag::SavedVariable& saved) {
    const auto output = n.input_metadata(0).shape_as_dim_vector();
    const int64_t places = places_of(n, input_edge, output[0].expect_int());
    if (places == 0) return false;
    if (!n.next_edge(weight_edge).is_valid()) return true;
    const auto rows = saved.unpack().detach();
    const auto input = rows.reshape({num_samples_, places, rows.size(1)});
    add(n.next_edge(weight_edge), true, {.role = Role::kLinearWeight, .layer = &n, .input = input});
    return true;
  }
  void addmm(AddmmBackward0& n) {
    if (n.alpha.toDouble() != 1 || n.beta.toDouble() != 1) return;
    if (linear(n, 1, 2, n.mat1_)) shift(n, 0);
  }
  void mm(MmBackward0& n) { linear(n, 0, 1, n.self_); }

  void batch_norm(NativeBatchNormBackward0& n) {
    if (n.training) return;
    const auto input = n.input_.unpack().detach();
    if (input.size(0) != num_samples_) return;
    if (n.next_edge(1).is_valid()) {
      std::vector<int64_t> shape(static_cast<size_t>(input.dim()), 1);
      shape[1] = input.size(1);
      const auto mean = n.running_mean_.unpack().view(shape);
      const auto scale = (n.running_var_.unpack() + n.eps).rsqrt().view(shape);
      add(n.next_edge(1), false,
          {.role = Role::kScale, .layer = &n, .input = (input - mean) * scale});
    }
    shift(n, 2);
  }

  // Over the last dimension.
  void layer_norm(NativeLayerNormBackward0& n) {
    const auto input = n.input_.unpack().detach();
    if (n.normalized_shape.size() != 1 || input.size(0) != num_samples_ || input.dim() < 2) return;
    if (n.next_edge(1).is_valid()) {
      const auto mean = n.result1_.unpack(n.getptr()).detach(),
                 scale = n.result2_.unpack(n.getptr()).detach();
      add(n.next_edge(1), false,
          {.role = Role::kScale, .layer = &n, .input = (input - mean) * scale, .channel_dim = -1});
    }
    shift(n, 2, -1);
  }

  void group_norm(NativeGroupNormBackward0& n) {
    const auto input = n.input_.unpack().detach();
    if (input.size(0) != num_samples_) return;
    if (n.next_edge(1).is_valid()) {
      const std::vector<int64_t> groups = {num_samples_, n.group, 1};
      const auto mean = n.result1_.unpack(n.getptr()).detach().view(groups),
                 scale = n.result2_.unpack(n.getptr()).detach().view(groups);
      const auto grouped = input.reshape({num_samples_, n.group, -1});
      add(n.next_edge(1), false,
          {.role = Role::kScale,
           .layer = &n,
           .input = ((grouped - mean) * scale).view(input.sizes())});
    }
    shift(n, 2);
  }

  void shift(ag::Node& n, size_t edge, int64_t channel_dim = 1) {
    if (n.next_edge(edge).is_valid())
      add(n.next_edge(edge), false,
          {.role = Role::kShift, .layer = &n, .input = {}, .channel_dim = channel_dim});
  }

  const std::vector<at::Tensor>& parameters_;
  int64_t num_samples_;
  std::map<ag::Node*, size_t> places_;  // AccumulateGrad nodes
  std::map<ag::Node*, int64_t> num_readers_;
  std::vector<ag::Node*> nodes_;
};

}  // namespace

Layers find_layers(const at::Tensor& outputs, const std::vector<at::Tensor>& parameters) {
  const at::NoGradGuard no_grad;
  Finder finder(outputs, parameters);
  finder.read();
  Layers layers;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto use = finder.uses.find(i);
    if (use != finder.uses.end()) {
      layers.uses.push_back(use->second);
    } else {
      layers.others.push_back(i);
    }
  }
  return layers;
}

std::vector<at::Tensor> derivatives_at(const at::Tensor& outputs, const at::Tensor& cotangent,
                                       const std::vector<torch::autograd::Node*>& layers) {
  ag::edge_list wanted;
  for (auto* layer : layers) wanted.emplace_back(layer->getptr(), 0);
  return ag::Engine::get_default_engine().execute(
      {ag::impl::gradient_edge(outputs)}, {cotangent}, /*keep_graph=*/true,
      /*create_graph=*/false, /*accumulate_grad=*/false, wanted);
}

at::Tensor patches(const at::Tensor& input, const Use& use) {
  const auto& pad = use.padding;
  const auto x = at::constant_pad_nd(input, {pad[1], pad[1], pad[0], pad[0]})
                     .permute({0, 2, 3, 1})
                     .contiguous();
  const auto places = [&](int64_t i) {
    return (x.size(i + 1) - use.dilation[i] * (use.kernel[i] - 1) - 1) / use.stride[i] + 1;
  };
  return x
      .as_strided({x.size(0), places(0), places(1), use.kernel[0], use.kernel[1], x.size(3)},
                  {x.stride(0), x.stride(1) * use.stride[0], x.stride(2) * use.stride[1],
                   x.stride(1) * use.dilation[0], x.stride(2) * use.dilation[1], 1})
      .reshape({x.size(0), places(0) * places(1), -1});
}

}  // namespace unlazy::linearise
