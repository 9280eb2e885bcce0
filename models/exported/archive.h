// The archive that torch.export.save writes: NAME.pt2, a zip file without compression that holds
//   models/model.json                          the graph of the network, in JSON
//   data/weights/model_weights_config.json     which record holds which parameter or buffer
//   data/weights/weight_N                      the bytes of one tensor's memory
//   data/constants/...                         the same for constants
//   extra/eval.json                            the graph of evaluation, if it is another one
//                                              (tools/python/export_network.py writes it)
// The archive also holds pickles (data/sample_inputs/*.pt). They are never read: unpickling runs
// code. Source: torch/_export/serde/schema.py and torch/export/pt2_archive of PyTorch 2.11.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace caffe2::serialize {
class PyTorchStreamReader;
}

namespace unlazy::models {

/// A parameter, buffer or constant. Tied parameters are one tensor under several names.
struct StoredTensor {
  at::Tensor value;
  bool requires_grad = false;
};

class Archive {
 public:
  /// Throws Error when the file is no such archive, is damaged, or is of an older kind.
  explicit Archive(const std::string& path);
  ~Archive();
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  /// models/model.json, after checking the version of its schema.
  nlohmann::json program() const;
  /// extra/eval.json; none when one graph serves both modes.
  std::optional<nlohmann::json> evaluation_program() const;
  /// Does the archive say that its graph is meant for training, whatever its switches are? Our
  /// script says it.
  bool is_of_training() const;
  /// Parameters and buffers by their Python names, or constants. Throws Error for a tensor that
  /// could only be unpickled, that does not fit into its record, or whose record has another place
  /// than the archive's own folder.
  std::map<std::string, StoredTensor> weights() const { return tensors("weights"); }
  std::map<std::string, StoredTensor> constants() const { return tensors("constants"); }

 private:
  std::string text(const std::string& record) const;
  nlohmann::json json(const std::string& record) const;
  std::map<std::string, StoredTensor> tensors(const std::string& kind) const;
  template <class Work>
  auto reading(const std::string& record, const Work& work) const;

  std::string path_;
  uint64_t size_ = 0;  // of the file in bytes
  std::unique_ptr<caffe2::serialize::PyTorchStreamReader> reader_;
};

/// The SHA-1 of a file's bytes, 40 hexadecimal digits. Tells files apart; no protection against
/// somebody who makes two files of one hash.
std::string file_sha1(const std::string& path);

}  // namespace unlazy::models
