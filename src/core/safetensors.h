// Tensors in files: the safetensors format, in which weights are exchanged with Python. No pickle
// is read or written. A file is
//   u64 little-endian N
//   N bytes of JSON: {"name": {"dtype", "shape", "data_offsets": [begin, end]},
//                     "__metadata__": {..}}
//   the buffer, row-major
// Source: https://huggingface.co/docs/safetensors
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace unlazy {

/// The content of one file: tensors by name, in the order of the file, and its metadata (strings by
/// name).
struct TensorFile {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor called `name`; throws Error that names the nearest known one.
  const at::Tensor& at(const std::string& name) const;
  bool contains(const std::string& name) const;
};

/// Writes the file whole or not at all. Tensors may be on any device and have any strides; they are
/// stored row-major, each aligned to its dtype. (The format has no gaps, so wide dtypes come first
/// in the buffer; the names keep their order.) At most one tensor is copied at a time. Throws
/// Error for an empty or repeated name, or a dtype that the format does not have.
void save_tensors(const std::string& path, const TensorFile& file);

/// Reads a file into CPU tensors that own their memory. Throws Error naming the path for anything
/// that the format forbids: a header past the end or over 100 MB, bad JSON or UTF-8, repeated keys,
/// gaps or overlaps of the offsets, sizes that do not match shape and dtype, trailing bytes. Dtypes
/// read and written: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.
TensorFile load_tensors(const std::string& path);

}  // namespace unlazy
