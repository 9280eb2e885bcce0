#include "models/exported/operators.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/native_batch_norm.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "models/dual_layers.h"

namespace unlazy::models {
namespace {

using c10::IValue;
using Stack = std::vector<IValue>;

bool is_wide_float(const at::Tensor& t) {
  return t.defined() && (t.scalar_type() == c10::kFloat || t.scalar_type() == c10::kDouble ||
                         t.scalar_type() == c10::kBFloat16);
}

bool is_written(const Node& node, size_t argument) {
  const auto* alias = node.op->schema().arguments()[argument].alias_info();
  return alias != nullptr && alias->isWrite();
}

// Tensors of another float dtype than `dtype`, but not numbers (0 dimensions), which never decide
// the dtype of a result, and not what the operator writes to.
void convert_arguments(const Node& node, Stack& stack, c10::ScalarType dtype) {
  const auto converted = [&](const at::Tensor& t) {
    return is_wide_float(t) && t.dim() > 0 && t.scalar_type() != dtype ? t.to(dtype) : t;
  };
  for (size_t i = 0; i < stack.size(); ++i) {
    if (is_written(node, i)) continue;
    if (stack[i].isTensor()) {
      stack[i] = converted(stack[i].toTensor());
    } else if (stack[i].isTensorList()) {
      c10::List<at::Tensor> list;
      for (const auto& t : stack[i].toTensorVector()) list.push_back(converted(t));
      stack[i] = list;
    }
  }
}

// Does an argument have the dtype of the activations?
bool meets_activations(const Stack& stack, c10::ScalarType dtype) {
  const auto is_one = [&](const at::Tensor& t) {
    return t.defined() && t.dim() > 0 && t.scalar_type() == dtype;
  };
  return std::any_of(stack.begin(), stack.end(), [&](const IValue& value) {
    if (value.isTensor()) return is_one(value.toTensor());
    if (!value.isTensorList()) return false;
    const auto list = value.toTensorVector();
    return std::any_of(list.begin(), list.end(), is_one);
  });
}

// The dtype of what the operator writes to, or else that of the activations.
c10::ScalarType dtype_of_call(const Node& node, const Stack& stack, const Mode& mode) {
  for (size_t i = 0; i < stack.size(); ++i) {
    if (is_written(node, i) && stack[i].isTensor() && is_wide_float(stack[i].toTensor()))
      return stack[i].toTensor().scalar_type();
  }
  return mode.dtype;
}

// Argument `name` of the call; None when the operator has none of that name.
IValue named(const Node& node, const Stack& stack, const char* name) {
  const auto index = node.op->schema().argumentIndexWithName(name);
  return index ? stack[static_cast<size_t>(*index)] : IValue();
}
at::Tensor tensor_named(const Node& node, const Stack& stack, const char* name) {
  const auto value = named(node, stack, name);
  return value.isTensor() ? value.toTensor() : at::Tensor();
}

at::Tensor times_plus(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                      const std::vector<int64_t>& shape) {
  auto y = x;
  if (scale.defined()) y = y * scale.view(shape);
  if (shift.defined()) y = y + shift.view(shape);
  return y;
}

// Running statistics make a channel an affine function.
at::Tensor affine_batch_norm(const Node& node, const Stack& stack) {
  const auto x = stack[0].toTensor();
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[1] = -1;
  const auto mean = tensor_named(node, stack, "running_mean"),
             variance = tensor_named(node, stack, "running_var"),
             weight = tensor_named(node, stack, "weight");
  auto scale = (variance + named(node, stack, "eps").toDouble()).rsqrt();
  if (weight.defined()) scale = scale * weight;
  auto shift = -mean * scale;
  const auto bias = tensor_named(node, stack, "bias");
  if (bias.defined()) shift = shift + bias;
  return times_plus(x, scale, shift, shape);
}

at::Tensor plain_layer_norm(const Node& node, const Stack& stack) {
  const auto x = stack[0].toTensor();
  const auto sizes = named(node, stack, "normalized_shape").toIntVector();
  std::vector<int64_t> dims;
  for (int64_t i = x.dim() - static_cast<int64_t>(sizes.size()); i < x.dim(); ++i)
    dims.push_back(i);
  const auto centered = x - x.mean(dims, /*keepdim=*/true);
  const auto variance = centered.square().mean(dims, /*keepdim=*/true);
  return times_plus(centered * (variance + named(node, stack, "eps").toDouble()).rsqrt(),
                    tensor_named(node, stack, "weight"), tensor_named(node, stack, "bias"), sizes);
}

at::Tensor plain_group_norm_of(const Node& node, const Stack& stack) {
  const auto x = stack[0].toTensor();
  const auto grouped =
      x.contiguous().view({x.size(0), named(node, stack, "num_groups").toInt(), -1});
  const auto centered = grouped - grouped.mean({2}, /*keepdim=*/true);
  const auto variance = centered.square().mean({2}, /*keepdim=*/true);
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[1] = -1;
  const auto normal = centered * (variance + named(node, stack, "eps").toDouble()).rsqrt();
  return times_plus(normal.view(x.sizes()), tensor_named(node, stack, "weight"),
                    tensor_named(node, stack, "bias"), shape);
}

std::optional<at::Tensor> derived_group_norm(const Node& node, const Stack& stack, int level) {
  const auto x = stack[0].toTensor(), scale = tensor_named(node, stack, "weight"),
             shift = tensor_named(node, stack, "bias");
  if (is_dual_at_constants({x, scale, shift})) {
    if (x.dim() != 4 || !scale.defined() || !shift.defined())
      return plain_group_norm_of(node, stack);
    return dual_group_norm(x, scale, shift, named(node, stack, "num_groups").toInt(),
                           named(node, stack, "eps").toDouble());
  }
  if (level >= 2) return plain_group_norm_of(node, stack);
  return {};
}

// The results of a call that is replaced by operators with more derivatives; none if it is not.
std::optional<at::Tensor> taken_apart(const Node& node, const Stack& stack, int level) {
  if (node.target == "aten::scaled_dot_product_attention") {
    const auto mask = tensor_named(node, stack, "attn_mask");
    const auto scale = named(node, stack, "scale");
    return std::get<0>(at::_scaled_dot_product_attention_math(
        stack[0].toTensor(), stack[1].toTensor(), stack[2].toTensor(),
        mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt,
        named(node, stack, "dropout_p").toDouble(), named(node, stack, "is_causal").toBool(), {},
        scale.isDouble() ? std::optional<double>(scale.toDouble()) : std::nullopt,
        named(node, stack, "enable_gqa").toBool()));
  }
  if (node.target == "aten::batch_norm") {
    const bool is_training = named(node, stack, "training").toBool();
    if (level >= 2 && !is_training) return affine_batch_norm(node, stack);
    // ATen's own node of the graph, which linearisation reads, and not that of cuDNN.
    return std::get<0>(at::native_batch_norm(
        stack[0].toTensor(), tensor_named(node, stack, "weight"), tensor_named(node, stack, "bias"),
        tensor_named(node, stack, "running_mean"), tensor_named(node, stack, "running_var"),
        is_training, named(node, stack, "momentum").toDouble(),
        named(node, stack, "eps").toDouble()));
  }
  if (level >= 2 && node.target == "aten::layer_norm") return plain_layer_norm(node, stack);
  if (node.target == "aten::group_norm") return derived_group_norm(node, stack, level);
  return {};
}

}  // namespace

bool is_norm(const std::string& target) {
  static const std::set<std::string> names = {"aten::batch_norm",
                                              "aten::instance_norm",
                                              "aten::native_batch_norm",
                                              "aten::layer_norm",
                                              "aten::group_norm",
                                              "aten::native_layer_norm",
                                              "aten::native_group_norm",
                                              "aten::rms_norm",
                                              "aten::_native_batch_norm_legit",
                                              "aten::_native_batch_norm_legit_no_training",
                                              "aten::_fused_rms_norm",
                                              "aten::_native_batch_norm_legit_functional"};
  return names.count(target) > 0;
}

void call_operator(const Node& node, Stack& stack, const Mode& mode) {
  bool is_narrowed = false;  // bf16 again at the end
  if (mode.dtype != c10::kFloat) {
    if (!node.is_norm) {
      // In bf16 what the graph computes in Float by itself (positions, a softmax after float())
      // stays Float until it meets activations.
      if (mode.dtype == c10::kDouble || meets_activations(stack, mode.dtype))
        convert_arguments(node, stack, dtype_of_call(node, stack, mode));
    } else if (mode.dtype == c10::kBFloat16) {
      const auto scale = tensor_named(node, stack, "weight");
      const auto x = stack[0].toTensor();
      const bool takes_both = node.target == "aten::batch_norm" && mode.plain_operators == 0;
      is_narrowed = !takes_both && scale.defined() && is_wide_float(x) &&
                    scale.scalar_type() != x.scalar_type();
      if (is_narrowed) stack[0] = x.to(scale.scalar_type());
    }
  }
  const auto replaced =
      mode.plain_operators == 0 ? std::nullopt : taken_apart(node, stack, mode.plain_operators);
  if (replaced) {
    stack = {*replaced};
  } else {
    node.op->callBoxed(stack);
  }
  if (is_narrowed && !stack.empty() && stack[0].isTensor())
    stack[0] = stack[0].toTensor().to(mode.dtype);
}

}  // namespace unlazy::models
