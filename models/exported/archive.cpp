#include "models/exported/archive.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <c10/util/hash.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "models/exported/schema.h"

namespace unlazy::models {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxJsonBytes = uint64_t{256} << 20;
constexpr int64_t kMaxDimensions = 64;

// a * b for numbers >= 0; nothing when it does not fit.
std::optional<int64_t> product(int64_t a, int64_t b) {
  int64_t result = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result)) return {};
  return result;
}
std::optional<int64_t> sum(int64_t a, int64_t b) {
  int64_t result = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &result)) return {};
  return result;
}

// Bytes of memory that a tensor of these sizes and strides reaches into.
std::optional<int64_t> bytes_reached(const std::vector<int64_t>& sizes,
                                     const std::vector<int64_t>& strides, int64_t offset,
                                     int64_t element) {
  std::optional<int64_t> last = offset;
  for (size_t i = 0; i < sizes.size() && last; ++i) {
    if (sizes[i] == 0) return 0;
    const auto step = product(sizes[i] - 1, strides[i]);
    last = step ? sum(*last, *step) : std::nullopt;
  }
  const auto count = last ? sum(*last, 1) : std::nullopt;
  return count ? product(*count, element) : std::nullopt;
}

// The name of a record, as the archive gives it: a plain name in its own folder.
std::string record_name(const Json& entry) {
  const auto& name = entry.at("path_name").get_ref<const std::string&>();
  UNLAZY_CHECK(!name.empty() && name.find('/') == std::string::npos &&
                   name.find('\\') == std::string::npos && name.find("..") == std::string::npos,
               "the record '", name,
               "' is not a plain name; the archive was not written by "
               "torch.export.save");
  return name;
}

std::vector<int64_t> whole_numbers(const Json& list) {
  std::vector<int64_t> numbers;
  UNLAZY_CHECK(list.is_array() && list.size() <= static_cast<size_t>(kMaxDimensions),
               "a tensor has no list of at most ", kMaxDimensions, " sizes");
  for (const auto& number : list) {
    UNLAZY_CHECK(number.contains("as_int"), "the size of a stored tensor is no number");
    numbers.push_back(size_in(number.at("as_int")));
  }
  return numbers;
}

}  // namespace

// Runs `work`; LibTorch's and the JSON library's errors become ours.
template <class Work>
auto Archive::reading(const std::string& record, const Work& work) const {
  const auto fail = [&](const std::string& reason) {
    throw Error(path_ + ": cannot read " + record + ": " + reason);
  };
  try {
    return work();
  } catch (const c10::Error& error) {
    fail(error.what_without_backtrace());
  } catch (const Json::exception& error) {
    fail(error.what());
  } catch (const std::bad_alloc&) {
    fail("not enough memory");
  } catch (const Error& error) {
    fail(error.what());
  }
  throw std::logic_error("unreachable");
}

Archive::Archive(const std::string& path) : path_(path) {
  std::error_code problem;
  size_ = std::filesystem::file_size(path, problem);
  UNLAZY_CHECK_USAGE(!problem, path, ": cannot be read (", problem.message(),
                     "); is the path right?");
  UNLAZY_CHECK_USAGE(std::ifstream(path), path, ": cannot be opened: ", std::strerror(errno));
  try {
    reader_ = std::make_unique<caffe2::serialize::PyTorchStreamReader>(path);
  } catch (const c10::Error&) {  // its text is long and speaks of checkpoints
    throw Error(path +
                ": is not a whole archive of torch.export; it was cut off or damaged, or is "
                "something else: copy it again, or export it again");
  }
  const bool is_program =
      reading("models/model.json", [&] { return reader_->hasRecord("models/model.json"); });
  UNLAZY_CHECK_USAGE(is_program, path,
                     ": is not an exported network (it has no models/model.json); write it with "
                     "tools/python/export_network.py, PyTorch 2.9 or newer");
}

Archive::~Archive() = default;

// Records are stored as they are, so none is larger than the file: a compressed one that would
// unfold to gigabytes is refused.
std::string Archive::text(const std::string& record) const {
  const uint64_t size = reader_->getRecordSize(record);
  UNLAZY_CHECK(size <= std::min(size_, kMaxJsonBytes), "it has ", size, " bytes, more than ",
               std::min(size_, kMaxJsonBytes));
  std::string bytes(size, '\0');
  UNLAZY_CHECK(reader_->getRecord(record, bytes.data(), size) == size, "it is cut off");
  return bytes;
}

Json Archive::json(const std::string& record) const {
  return reading(record, [&] {
    return parse_json<Json>(text(record), {[](size_t, const std::string& key) {
                                             throw Error("'" + key + "' stands there twice");
                                           },
                                           [] { throw Error("it is nested too deeply"); }});
  });
}

Json Archive::program() const {
  auto program = json("models/model.json");
  reading("models/model.json", [&] { check_schema(program); });
  return program;
}

std::optional<Json> Archive::evaluation_program() const {
  constexpr const char* kRecord = "extra/eval.json";
  if (!reading(kRecord, [&] { return reader_->hasRecord(kRecord); })) return {};
  auto program = json(kRecord);
  reading(kRecord, [&] { check_schema(program); });
  return program;
}

bool Archive::is_of_training() const {
  constexpr const char* kRecord = "extra/mode";
  return reading(kRecord,
                 [&] { return reader_->hasRecord(kRecord) && text(kRecord) == "training"; });
}

std::map<std::string, StoredTensor> Archive::tensors(const std::string& kind) const {
  const std::string folder = "data/" + kind + "/";
  const std::string config = folder + "model_" + kind + "_config.json";
  std::map<std::string, StoredTensor> tensors;
  if (kind == "constants" && !reading(config, [&] { return reader_->hasRecord(config); }))
    return tensors;
  const Json list = json(config);
  std::map<std::string, at::Tensor> known;  // by record, sizes, strides and offset: tied parameters
  std::map<std::string, at::Storage> memories;
  return reading(config, [&] {
    for (const auto& [name, entry] : list.at("config").items()) {
      UNLAZY_CHECK(!entry.value("use_pickle", false), "'", name,
                   "' is stored as a pickle, which is never read: unpickling runs code. It is not "
                   "an ordinary dense tensor");
      const auto& meta = entry.at("tensor_meta");
      const auto record = folder + record_name(entry);
      const auto identity = record + meta.dump();
      auto& tensor = known[identity];
      if (!tensor.defined()) {
        const auto type = scalar_type(whole_number(meta.at("dtype")));
        const auto sizes = whole_numbers(meta.at("sizes")),
                   strides = whole_numbers(meta.at("strides"));
        const int64_t offset = whole_numbers(Json::array({meta.at("storage_offset")})).at(0);
        UNLAZY_CHECK(sizes.size() == strides.size(), "'", name, "' has ", sizes.size(),
                     " sizes and ", strides.size(), " strides");
        const auto element = static_cast<int64_t>(c10::elementSize(type));
        const auto wanted = bytes_reached(sizes, strides, offset, element);
        // A stride of 0 makes much of little, and more than the whole file is too much.
        auto own = std::optional<int64_t>(element);
        for (const int64_t size : sizes) own = own ? product(*own, size) : own;
        const uint64_t there = reader_->getRecordSize(record);
        UNLAZY_CHECK(there <= size_, "'", name, "' has ", there, " bytes, more than the file");
        UNLAZY_CHECK(wanted && static_cast<uint64_t>(*wanted) <= there && own &&
                         static_cast<uint64_t>(*own) <= size_,
                     "'", name, "' does not fit into its record of ", there, " bytes");
        auto& memory = memories[record];
        if (!memory) {
          auto bytes = at::empty({static_cast<int64_t>(there)}, c10::kByte);
          UNLAZY_CHECK(reader_->getRecord(record, bytes.data_ptr(), there) == there, "'", name,
                       "' is cut off");
          memory = bytes.storage();
        }
        tensor = at::empty({0}, type).set_(memory, offset, sizes, strides);
      }
      tensors[name] = {tensor, entry.value("is_param", false) && meta.value("requires_grad", true)};
    }
    return tensors;
  });
}

std::string file_sha1(const std::string& path) { return c10::sha1(read_file(path)).str(); }

}  // namespace unlazy::models
