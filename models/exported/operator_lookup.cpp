#include "models/exported/operator_lookup.h"

#include <map>
#include <set>
#include <string_view>

namespace unlazy::models {
namespace {

// Operators of another name that give the same values: a view of memory in channels_last order may
// not exist, a reshape always does.
const std::map<std::string, std::string> kSame = {
    {"aten::view", "aten::reshape"},
    {"aten::view_copy", "aten::reshape"},
    {"aten::view_as", "aten::reshape_as"},
    {"aten::_unsafe_view", "aten::reshape"},
    {"aten::_unsafe_index.Tensor", "aten::index.Tensor"}};

constexpr const char* kOrder = "its result depends on the order in memory, which training changes";
constexpr const char* kMemory = "it replaces memory";

// Why an operator of ATen is not run, although it is there.
const std::map<std::string, std::string> kRefused = {
    {"aten::from_file", "it reads and makes files"},
    {"aten::as_strided", kOrder},
    {"aten::as_strided_", kOrder},
    {"aten::as_strided_copy", kOrder},
    {"aten::as_strided_scatter", kOrder},
    {"aten::set_", kMemory},
    {"aten::set_data", kMemory},
    {"aten::resize", kMemory},
    {"aten::resize_", kMemory},
    {"aten::resize_as_", kMemory}};

// Operators with one underscore are LibTorch's own tools, and some trust their arguments blindly.
// These are the ones that networks are exported with. (aten::__and__ and its like are Python's.)
const std::set<std::string> kInternal = {"aten::_adaptive_avg_pool2d",
                                         "aten::_adaptive_avg_pool3d",
                                         "aten::_assert_async",
                                         "aten::_assert_scalar",
                                         "aten::_cdist_forward",
                                         "aten::_conj",
                                         "aten::_convolution",
                                         "aten::_euclidean_dist",
                                         "aten::_fft_c2c",
                                         "aten::_fft_c2r",
                                         "aten::_fft_r2c",
                                         "aten::_fused_rms_norm",
                                         "aten::_linalg_det",
                                         "aten::_linalg_solve_ex",
                                         "aten::_linalg_svd",
                                         "aten::_log_softmax",
                                         "aten::_native_batch_norm_legit",
                                         "aten::_native_batch_norm_legit_functional",
                                         "aten::_native_batch_norm_legit_no_training",
                                         "aten::_pdist_forward",
                                         "aten::_prelu_kernel",
                                         "aten::_safe_softmax",
                                         "aten::_scaled_dot_product_flash_attention_for_cpu",
                                         "aten::_softmax",
                                         "aten::_stack",
                                         "aten::_to_copy",
                                         "aten::_trilinear",
                                         "aten::_unsafe_index",
                                         "aten::_unsafe_masked_index",
                                         "aten::_unsafe_view",
                                         "aten::_upsample_bicubic2d_aa",
                                         "aten::_upsample_bilinear2d_aa",
                                         "aten::_upsample_nearest_exact1d",
                                         "aten::_upsample_nearest_exact2d",
                                         "aten::_weight_norm",
                                         "aten::_weight_norm_interface"};

struct OperatorName {
  std::string name, overload;
  std::string text() const { return overload.empty() ? name : name + "." + overload; }
};

// "torch.ops.aten.add_.Tensor" -> aten::add_, Tensor; nothing for other targets.
std::optional<OperatorName> operator_name(const std::string& target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  if (!target.starts_with(kPrefix)) return {};
  const auto rest = target.substr(kPrefix.size());
  const auto first = rest.find('.'), last = rest.rfind('.');
  if (first == std::string::npos) return {};
  const auto name =
      rest.substr(0, first) +
      "::" + (first == last ? rest.substr(first + 1) : rest.substr(first + 1, last - first - 1));
  const auto overload = first == last ? std::string() : rest.substr(last + 1);
  return OperatorName{name, overload == "default" ? "" : overload};
}

}  // namespace

FoundOperator look_up(const std::string& target) {
  auto name = operator_name(target);
  if (!name) return {{}, target, "the operator " + target};
  const auto same = kSame.find(name->text());
  if (same != kSame.end()) name = operator_name("torch.ops.aten." + same->second.substr(6));
  FoundOperator found{{}, name->text(), {}};
  if (name->name.starts_with("higher_order::")) {
    found.problem = "control flow or another graph within the graph: " + found.name;
    return found;
  }
  const auto refused = kRefused.find(name->name);
  if (refused != kRefused.end()) {
    found.problem = "the operator " + found.name + ": " + refused->second;
    return found;
  }
  if (name->name.starts_with("aten::_") && !name->name.starts_with("aten::__") &&
      kInternal.count(name->name) == 0) {
    found.problem = "the operator " + found.name + ": it is an internal one of LibTorch";
    return found;
  }
  if (name->name.starts_with("aten::"))
    found.op = c10::Dispatcher::singleton().findSchema({name->name, name->overload});
  if (!found.op) found.problem = "the operator " + found.name + ": LibTorch has none of that name";
  return found;
}

}  // namespace unlazy::models
