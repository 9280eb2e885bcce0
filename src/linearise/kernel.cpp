#include "linearise/kernel.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "core/cpu_memory.h"
#include "core/error.h"
#include "core/rng.h"
#include "linearise/layers.h"
#include "linearise/piece.h"
#include "linearise/row_products.h"

namespace unlazy::linearise {
namespace {

class Assembly {
 public:
  Assembly(const Network& network, const at::Tensor& inputs, const at::Tensor& test_inputs,
           bool is_traced, const KernelOptions& options)
      : network_(network),
        options_(options),
        is_traced_(is_traced),
        num_train_(inputs.size(0)),
        inputs_(test_inputs.defined() ? at::cat({inputs, test_inputs}) : inputs) {
    check();
    outputs_ = evaluate();
    UNLAZY_CHECK(at::isfinite(outputs_).all().item<bool>(),
                 "ntk: the network's outputs are not finite; the inputs or the parameters are not");
    num_outputs_ = outputs_.size(1);
    rows_ = inputs_.size(0) * num_outputs_;
    auto dtype = outputs_.options();
    if (options.is_exact_sum) dtype = dtype.dtype(c10::kDouble);
    sum_.emplace(num_train_, inputs_.size(0) - num_train_, num_outputs_, is_traced, dtype);
    plan_memory();
    if (options.is_generic) {
      std::vector<size_t> all(network.parameters().size());
      for (size_t i = 0; i < all.size(); ++i) all[i] = i;
      add_by_rows(all);
    } else {
      add_layers();
    }
    sum_->finish();
    UNLAZY_CHECK(at::isfinite(sum_->train).all().item<bool>() &&
                     (!sum_->test.defined() || at::isfinite(sum_->test).all().item<bool>()),
                 "ntk: the kernel has entries that are not finite; the parameters or the inputs "
                 "are too large");
    if (!options.is_generic) check_against_pass();
  }

  Kernel result() const {
    const int64_t num_test = inputs_.size(0) - num_train_;
    return {sum_->train, sum_->test, outputs_.narrow(0, 0, num_train_),
            num_test > 0 ? outputs_.narrow(0, num_train_, num_test) : at::Tensor()};
  }

 private:
  void check() const {
    UNLAZY_CHECK(!network_.module().is_training() || network_.module().buffers().empty(),
                 "ntk: the module is in training mode and has buffers that each pass changes; "
                 "call eval() first");
    UNLAZY_CHECK(num_train_ > 0, "ntk: no samples");
    UNLAZY_CHECK(options_.batch > 0 && options_.memory > 0, "ntk: batch and memory must be > 0");
    for (const auto& parameter : network_.parameters()) {
      UNLAZY_CHECK(
          parameter.scalar_type() == c10::kFloat || parameter.scalar_type() == c10::kDouble,
          "ntk: wanted parameters in Float or Double, got ", parameter.scalar_type(),
          "; the kernel's condition number is too large for less");
    }
  }

  at::Tensor evaluate() const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < inputs_.size(0); i += options_.batch)
      parts.push_back(network_(batch(i)));
    return at::cat(parts);
  }

  at::Tensor batch(int64_t begin) const {
    return inputs_.narrow(0, begin, std::min(options_.batch, inputs_.size(0) - begin));
  }

  int64_t bytes() const { return static_cast<int64_t>(outputs_.element_size()); }

  // What is left of the cap after the kernel goes to the pieces of one pass and to a block of J's
  // columns, of whose size are the patches, a copy of the training rows, and the derivatives in
  // flight. The rest is for freed memory that does not fit. finish() copies the kernel at the end.
  void plan_memory() {
    const auto size = [](const at::Tensor& t) {
      return t.defined() ? static_cast<int64_t>(t.nbytes()) : 0;
    };
    const int64_t train = size(sum_->train), test = size(sum_->test);
    const int64_t left = options_.memory - train - test;
    for_pieces_ = left * kPiecesPart / kParts;
    for_columns_ = left * kColumnsPart / kParts;
    kernel_bytes_ = train + test;
    require(kernel_bytes_, std::max({train, test, 4 * rows_ * bytes()}));
  }

  void require(int64_t fixed, int64_t more) const {
    constexpr double kMega = 1 << 20;
    UNLAZY_CHECK(options_.memory >= fixed + more, "ntk: ", inputs_.size(0), " samples with ",
                 num_outputs_, " outputs need ",
                 std::ceil(static_cast<double>(fixed + more) / kMega), " MB at least, the cap is ",
                 std::floor(static_cast<double>(options_.memory) / kMega),
                 " MB; raise the cap or take fewer samples");
  }

  Layers layers_of(const at::Tensor& outputs) const {
    return find_layers(outputs, network_.parameters());
  }

  // All parameters that layers are known for, in passes over the samples; each pass serves as many
  // pieces as the memory holds. The rest by single samples.
  void add_layers() {
    give_back_free_memory();
    const at::AutoGradMode with_grad(true);
    std::vector<Piece> pieces;
    std::vector<size_t> others;
    {
      const auto outputs = network_(batch(0).narrow(0, 0, 1));
      check_alone(outputs);
      const auto layers = layers_of(outputs);
      others = layers.others;
      pieces = cut(layers, outputs);
    }
    for (size_t begin = 0; begin < pieces.size();) {
      int64_t size = 0;
      size_t end = begin;
      while (end < pieces.size() && (end == begin || size + size_of(pieces[end]) <= for_pieces_))
        size += size_of(pieces[end++]);
      std::vector<Piece> pass(pieces.begin() + static_cast<std::ptrdiff_t>(begin),
                              pieces.begin() + static_cast<std::ptrdiff_t>(end));
      collect(pass);
      const at::NoGradGuard no_grad;
      for (auto& piece : pass) {
        add(piece);
        piece = {};
        give_back_free_memory();  // the next needs it in other sizes
      }
      begin = end;
    }
    if (!others.empty()) add_by_rows(others);
  }

  // The first sample alone must give its row of the batch.
  void check_alone(const at::Tensor& outputs) const {
    const double tolerance = outputs_.scalar_type() == c10::kDouble ? 1e-9 : 1e-3;
    const auto off = (outputs.detach()[0] - outputs_[0]).abs().max();
    UNLAZY_CHECK(off.item<double>() <= tolerance * (1 + outputs_.abs().max().item<double>()),
                 "ntk: the outputs of one sample depend on the other samples of its batch; use the "
                 "generic kernel");
  }

  // Bytes of a piece's derivatives and inputs over all samples.
  int64_t size_of(const Piece& piece) const {
    const int64_t input = piece.use.input.defined() ? piece.use.input.numel() : 0;
    return (rows_ * piece.row_size + inputs_.size(0) * input) * bytes();
  }

  // One piece a use, or several of fewer channels where the memory wants it. `outputs`: of a single
  // sample.
  std::vector<Piece> cut(const Layers& layers, const at::Tensor& outputs) const {
    if (layers.uses.empty()) return {};
    std::vector<torch::autograd::Node*> nodes;
    for (const auto& use : layers.uses) nodes.push_back(use.layer);
    const auto examples = derivatives(outputs, 0, nodes);
    std::vector<Piece> pieces;
    for (size_t i = 0; i < layers.uses.size(); ++i) {
      const auto& example = examples[i];
      const int64_t channels = example.size(layers.uses[i].channel_dim);
      const auto piece = [&](int64_t begin, int64_t end) {
        return Piece{
            layers.uses[i], begin, end, (end - begin) * example.numel() / channels, {}, {}};
      };
      int64_t width = channels;
      while (width > 1 && size_of(piece(0, width)) > for_pieces_) width = (width + 1) / 2;
      require(kernel_bytes_, size_of(piece(0, width)) * kParts / kPiecesPart);
      for (int64_t begin = 0; begin < channels; begin += width)
        pieces.push_back(piece(begin, std::min(begin + width, channels)));
    }
    return pieces;
  }

  // Derivatives of sum_n f_k(x_n) at the outputs of `nodes`, each asked for once.
  std::vector<at::Tensor> derivatives(const at::Tensor& outputs, int64_t k,
                                      const std::vector<torch::autograd::Node*>& nodes) const {
    std::vector<torch::autograd::Node*> distinct;
    std::vector<size_t> place;
    for (auto* node : nodes) {
      const auto at = std::find(distinct.begin(), distinct.end(), node);
      place.push_back(static_cast<size_t>(at - distinct.begin()));
      if (at == distinct.end()) distinct.push_back(node);
    }
    auto cotangent = at::zeros_like(outputs.detach());
    cotangent.select(1, k).fill_(1);
    const auto found = derivatives_at(outputs, cotangent, distinct);
    std::vector<at::Tensor> list;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto& part = found[place[i]];
      // Undefined: the output does not depend on this layer.
      list.push_back(part.defined()
                         ? part
                         : at::zeros_symint(nodes[i]->input_metadata(0).shape_as_dim_vector(),
                                            outputs_.options()));
    }
    return list;
  }

  // Fills the pieces' derivatives and inputs.
  void collect(std::vector<Piece>& pass) const {
    std::vector<std::vector<at::Tensor>> seen(pass.size());
    for (int64_t first = 0; first < inputs_.size(0); first += options_.batch) {
      const auto outputs = network_(batch(first));
      const auto layers = layers_of(outputs);
      std::vector<torch::autograd::Node*> nodes;
      for (size_t i = 0; i < pass.size(); ++i) {
        const auto use = std::find_if(layers.uses.begin(), layers.uses.end(), [&](const Use& u) {
          return u.parameter == pass[i].use.parameter;
        });
        UNLAZY_CHECK(use != layers.uses.end(),
                     "ntk: the module does not run the same layers for every batch");
        nodes.push_back(use->layer);
        seen[i].push_back(use->input);
      }
      for (int64_t k = 0; k < num_outputs_; ++k) {
        const auto found = derivatives(outputs, k, nodes);
        const at::NoGradGuard no_grad;
        for (size_t i = 0; i < pass.size(); ++i) {
          auto& piece = pass[i];
          if (k == 0) piece.derivatives.emplace_back();
          auto part = channels_of(piece, found[i]);
          // A part of the channels must not hold the memory of all.
          if (part.numel() < found[i].numel()) part = part.clone(at::MemoryFormat::Contiguous);
          piece.derivatives.back().push_back(part.reshape({outputs.size(0), -1, part.size(-1)}));
        }
      }
    }
    for (size_t i = 0; i < pass.size(); ++i) {
      if (seen[i][0].defined()) pass[i].inputs = at::cat(seen[i]);
    }
  }

  // make(derivatives [n, S, c] of output k, first sample) -> [n, ...], for all: [K, N + M, ...].
  template <class Make>
  at::Tensor for_outputs(const Piece& piece, const Make& make) const {
    std::vector<at::Tensor> outputs;
    for (size_t k = 0; k < static_cast<size_t>(num_outputs_); ++k) {
      std::vector<at::Tensor> batches;
      int64_t first = 0;
      for (const auto& batch : piece.derivatives) {
        batches.push_back(make(batch[k], first));
        first += batch[k].size(0);
      }
      outputs.push_back(at::cat(batches));
    }
    return at::stack(outputs);
  }

  void add(const Piece& piece) {
    const auto free = free_of(piece.use.parameter);
    const auto add_vector = [&](const at::Tensor& j) {  // [K, N + M, c]
      sum_->add(free.defined() ? j * free.slice(0, piece.begin, piece.end) : j, piece.use.factor);
    };
    switch (piece.use.role) {
      case Role::kShift:
        return add_vector(
            for_outputs(piece, [](const at::Tensor& d, int64_t) { return d.sum(1); }));
      case Role::kScale: {
        const auto x = channels_of(piece, piece.inputs);
        return add_vector(for_outputs(piece, [&](const at::Tensor& d, int64_t first) {
          return (d * x.narrow(0, first, d.size(0)).reshape(d.sizes())).sum(1);
        }));
      }
      case Role::kLinearWeight:
        if (free.defined() || piece.inputs.size(1) > 1) return add_by_channels(piece);
        return sum_->add_product(
            for_outputs(piece, [](const at::Tensor& d, int64_t) { return d.flatten(1); }),
            piece.inputs.flatten(1), piece.use.factor);
      case Role::kConvolutionWeight:
        return add_by_channels(piece);
    }
  }

  // Undefined: all entries of the parameter are free.
  at::Tensor free_of(size_t parameter) const {
    return network_.free().empty() ? at::Tensor() : network_.free()[parameter];
  }

  // J[k, n, (c, i)] = sum_s d[n, s, c] patch[n, s, i], a block of channels at a time; the patches of
  // a linear layer are its inputs.
  void add_by_channels(const Piece& piece) {
    const auto& use = piece.use;
    const bool is_linear = use.role == Role::kLinearWeight;
    const int64_t n = inputs_.size(0), channels = piece.end - piece.begin;
    const int64_t places = piece.row_size / channels;
    const int64_t patch =
        is_linear ? piece.inputs.size(-1) : piece.inputs.size(1) * use.kernel[0] * use.kernel[1];
    auto free = free_of(use.parameter);  // [out, in], or [out, in, H, W] in the order of patches()
    if (free.defined() && !is_linear) free = free.permute({0, 2, 3, 1}).flatten(1);
    const int64_t width =
        std::clamp(for_columns_ / (rows_ * patch * bytes()), int64_t{1}, channels);
    // In blocks of samples: patches are nine times the layer's input.
    const int64_t block = std::clamp(for_columns_ / (patch * places * bytes()), int64_t{1}, n);
    for (int64_t begin = 0; begin < channels; begin += width) {
      const int64_t count = std::min(width, channels - begin);
      auto j = at::empty({num_outputs_, n, count, patch}, outputs_.options());
      int64_t start = 0;  // of the batch
      for (const auto& batch : piece.derivatives) {
        const int64_t batch_size = batch[0].size(0);
        for (int64_t first = 0; first < batch_size; first += block) {
          const int64_t size = std::min(block, batch_size - first);
          const auto part = piece.inputs.narrow(0, start + first, size);
          const auto seen = is_linear ? part : patches(part, use);
          for (int64_t k = 0; k < num_outputs_; ++k) {
            const auto left =
                batch[static_cast<size_t>(k)].narrow(0, first, size).narrow(2, begin, count);
            auto place = j[k].narrow(0, start + first, size);
            at::bmm_out(place, left.transpose(1, 2), seen);
          }
        }
        start += batch_size;
      }
      if (free.defined()) j.mul_(free.narrow(0, piece.begin + begin, count));
      sum_->add(j.view({num_outputs_, n, count * patch}), use.factor);
    }
  }

  // Plain backward passes, N K for each group of parameters (or part of one) whose rows of J fit:
  // of single samples, or in generic mode of the whole batch.
  void add_by_rows(const std::vector<size_t>& parameters) {
    const int64_t columns = std::max<int64_t>(1, for_columns_ / (rows_ * bytes()));
    for (size_t begin = 0; begin < parameters.size();) {
      std::vector<at::Tensor> group, free;
      int64_t size = 0;
      while (begin < parameters.size()) {
        const auto& next = network_.parameters()[parameters[begin]];
        if (!group.empty() && size + next.numel() > columns) break;
        group.push_back(next);
        free.push_back(free_of(parameters[begin]));
        size += next.numel();
        ++begin;
      }
      for (int64_t first = 0; first < size; first += columns)
        sum_->add(rows_of(group, free, first, std::min(columns, size - first))
                      .view({inputs_.size(0), num_outputs_, -1})
                      .transpose(0, 1)
                      .contiguous(),
                  1);
    }
  }

  at::Tensor rows_of(const std::vector<at::Tensor>& group, const std::vector<at::Tensor>& free,
                     int64_t first, int64_t columns) const {
    auto j = at::empty({rows_, columns}, outputs_.options());
    const at::AutoGradMode with_grad(true);
    const int64_t size = options_.is_generic ? inputs_.size(0) : 1;
    for (int64_t begin = 0; begin < inputs_.size(0); begin += size) {
      const auto outputs = network_(inputs_.narrow(0, begin, size)).reshape({-1});
      for (int64_t row = 0; row < outputs.numel(); ++row) {
        auto parts = torch::autograd::grad({outputs[row]}, group, {}, true, false, true);
        const at::NoGradGuard no_grad;
        for (size_t i = 0; i < parts.size(); ++i) {
          auto& part = parts[i];
          if (!part.defined()) part = at::zeros_like(group[i]);
          part = (free[i].defined() ? part * free[i] : part).reshape({-1});
        }
        j[begin * num_outputs_ + row].copy_(at::cat(parts).narrow(0, first, columns));
      }
    }
    return j;
  }

  // r^T K r = |J^T r|^2 (traced: the mean over outputs), the right side by plain passes over a few
  // samples: one random r finds any layer that was misread, and samples that interact.
  void check_against_pass() const {
    const int64_t count = std::min<int64_t>(8, num_train_), passes = is_traced_ ? num_outputs_ : 1;
    Rng rng(0, Stream::kProbe);
    std::vector<double> signs(static_cast<size_t>(count * num_outputs_ / passes));
    for (auto& sign : signs) sign = rng.sign();
    const auto r = at::tensor(signs, c10::kDouble).to(sum_->train.options());
    double by_pass = 0;
    for (int64_t k = 0; k < passes; ++k) {
      auto c = at::zeros({count, num_outputs_}, outputs_.options());
      (is_traced_ ? c.select(1, k) : c.view({-1})).copy_(r);
      const auto gradient = vjp(network_, inputs_.narrow(0, 0, count), c).gradient;
      by_pass += gradient.to(c10::kDouble).square().sum().item<double>();
    }
    by_pass /= static_cast<double>(passes);
    const auto k = sum_->train.narrow(0, 0, r.numel()).narrow(1, 0, r.numel());
    const double by_kernel = at::dot(r, at::mv(k, r)).item<double>();
    const double tolerance = outputs_.scalar_type() == c10::kDouble ? 1e-8 : 1e-3;
    UNLAZY_CHECK(std::abs(by_pass - by_kernel) <= tolerance * (by_pass + k.trace().item<double>()),
                 "ntk: the layers' kernel does not agree with a plain backward pass (r^T K r = ",
                 by_kernel, ", |J^T r|^2 = ", by_pass,
                 "); outputs of one sample depend on other samples: use the generic kernel");
  }

  const Network& network_;
  const KernelOptions& options_;
  bool is_traced_;
  int64_t num_train_;
  at::Tensor inputs_, outputs_;
  // How the working space is divided.
  static constexpr int64_t kParts = 16, kPiecesPart = 6, kColumnsPart = 2;
  int64_t num_outputs_ = 0, rows_ = 0, kernel_bytes_ = 0, for_pieces_ = 0, for_columns_ = 0;
  std::optional<RowProducts> sum_;
};

}  // namespace

Kernel kernel(const Network& network, const at::Tensor& inputs, const at::Tensor& test_inputs,
              const KernelOptions& options) {
  return Assembly(network, inputs, test_inputs, /*is_traced=*/false, options).result();
}

at::Tensor traced_kernel(const Network& network, const at::Tensor& inputs,
                         const KernelOptions& options) {
  return Assembly(network, inputs, {}, /*is_traced=*/true, options).result().train;
}

}  // namespace unlazy::linearise
