// A part of the kernel's work: some output channels of one layer's parameter.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "linearise/layers.h"

namespace unlazy::linearise {

/// Output channels [begin, end) of the layers' parameters that one backward pass serves.
struct Piece {
  Use use;
  int64_t begin = 0, end = 0;
  int64_t row_size = 0;  // derivatives a row of J
  // [n, S, channels] at the layer's output, S its places, for each batch of n samples and each of
  // its K outputs: as the backward passes leave them, channels last, without a copy.
  std::vector<std::vector<at::Tensor>> derivatives;
  at::Tensor inputs;  // [N + M, ...] of the layer
};

/// The piece's channels of a tensor in the shape of the layer's output, as the last dimension.
inline at::Tensor channels_of(const Piece& piece, const at::Tensor& output) {
  const int64_t dim = piece.use.channel_dim;
  return output.narrow(dim, piece.begin, piece.end - piece.begin).movedim(dim, -1);
}

}  // namespace unlazy::linearise
