// Reader and writer of safetensors files. The header is checked completely against the size of the
// file before any memory for tensors is allocated. Source: https://huggingface.co/docs/safetensors
// and its reference implementation (Rust), whose limits are kept. Not read: dtypes without a
// counterpart here (U16, U32, U64, 8-bit floats).
#include "core/safetensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/names.h"

namespace unlazy {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr uint64_t kPrefixBytes = 8;
constexpr const char* kMetadataKey = "__metadata__";

struct Dtype {
  const char* name;
  at::ScalarType type;
  uint64_t bytes;
};
constexpr std::array<Dtype, 10> kDtypes{{{"F64", at::kDouble, 8},
                                         {"I64", at::kLong, 8},
                                         {"F32", at::kFloat, 4},
                                         {"I32", at::kInt, 4},
                                         {"F16", at::kHalf, 2},
                                         {"BF16", at::kBFloat16, 2},
                                         {"I16", at::kShort, 2},
                                         {"I8", at::kChar, 1},
                                         {"U8", at::kByte, 1},
                                         {"BOOL", at::kBool, 1}}};

// ---- Reading ----

struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  uint64_t begin, end;  // bytes, from the start of the buffer
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// Throws with the path and what is wrong with the file.
struct Complaint {
  const std::string& path;
  template <class... Parts>
  [[noreturn]] void operator()(const Parts&... parts) const {
    throw Error(internal::concat(path, ": is not a whole safetensors file: ", parts...,
                                 "; copy or write it again"));
  }
};

std::string read_header_text(std::ifstream& in, uint64_t file_bytes, const Complaint& fail) {
  if (file_bytes < kPrefixBytes) fail("it has ", file_bytes, " bytes, expected at least 8");
  uint64_t count = 0;
  in.read(reinterpret_cast<char*>(&count), sizeof count);
  if (!in) fail("its first 8 bytes cannot be read");
  if (count > kMaxHeaderBytes) fail("its header has ", count, " bytes, the most is 100000000");
  if (count > file_bytes - kPrefixBytes) {
    fail("its header of ", count, " bytes reaches past the end of the file of ", file_bytes,
         " bytes");
  }
  std::string text(count, '\0');
  in.read(text.data(), static_cast<std::streamsize>(count));
  if (!in) fail("its header cannot be read");
  if (text.empty() || text.front() != '{') fail("its header does not begin with '{'");
  // The JSON parser takes a NUL byte for the end of the text.
  if (text.find('\0') != std::string::npos) fail("its header holds a NUL byte");
  return text;
}

// Parses the header; `names` receives the top-level keys in the order of the file, which the JSON
// object does not keep.
nlohmann::json parse_header(const std::string& text, std::vector<std::string>& names,
                            const Complaint& fail) {
  const auto refuse_doubled = [&](size_t, const std::string& key) {
    fail("the key '", key, "' is there twice");
  };
  const auto refuse_deep = [&] { fail("its header is nested more than ", kMaxJsonDepth, " deep"); };
  try {
    return parse_json<nlohmann::json>(text, refuse_doubled, refuse_deep, &names);
  } catch (const nlohmann::json::exception& error) {
    fail("its header is not JSON in UTF-8 (", error.what(), ")");
  }
}

std::map<std::string, std::string> read_metadata(const nlohmann::json& object,
                                                 const Complaint& fail) {
  if (!object.is_object()) fail("__metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) fail("the metadata '", key, "' is not a string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

Dtype read_dtype(const std::string& name, const nlohmann::json& entry, const Complaint& fail) {
  const auto found = entry.find("dtype");
  if (found == entry.end() || !found->is_string()) fail("the tensor '", name, "' has no dtype");
  const auto& word = found->get_ref<const std::string&>();
  for (const Dtype& dtype : kDtypes) {
    if (word == dtype.name) return dtype;
  }
  fail("the tensor '", name, "' has the dtype '", word,
       "', expected one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
}

std::vector<uint64_t> read_counts(const std::string& name, const nlohmann::json& entry,
                                  const char* key, const Complaint& fail) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_array())
    fail("the tensor '", name, "' has no list '", key, "'");
  std::vector<uint64_t> counts;
  for (const auto& value : *found) {
    if (!value.is_number_unsigned()) {
      fail("the ", key, " of the tensor '", name, "' holds ", value.dump(-1, ' ', true),
           ", expected counts");
    }
    counts.push_back(value.get<uint64_t>());
  }
  return counts;
}

Entry read_entry(const std::string& name, const nlohmann::json& object, const Complaint& fail) {
  if (!object.is_object()) fail("the entry '", name, "' is not an object");
  Entry entry{name, read_dtype(name, object, fail), {}, 0, 0};
  const auto shape = read_counts(name, object, "shape", fail);
  const auto offsets = read_counts(name, object, "data_offsets", fail);
  if (offsets.size() != 2)
    fail("the tensor '", name, "' has ", offsets.size(), " data_offsets, expected 2");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end) fail("the tensor '", name, "' ends before it begins");
  uint64_t bytes = entry.dtype.bytes;
  uint64_t limit =
      std::numeric_limits<int64_t>::max();  // also for strides, where a size of 0 counts as 1
  for (const uint64_t size : shape) {
    limit /= std::max<uint64_t>(size, 1);
    if (limit < entry.dtype.bytes) fail("the shape of the tensor '", name, "' overflows");
    bytes *= size;
    entry.shape.push_back(static_cast<int64_t>(size));
  }
  if (entry.end - entry.begin != bytes) {
    fail("the tensor '", name, "' has ", entry.end - entry.begin,
         " bytes, its shape and dtype need ", bytes);
  }
  return entry;
}

// The tensors must lie one after the other and fill the buffer.
void check_layout(const Header& header, uint64_t buffer_bytes, const Complaint& fail) {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : header.entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t end = 0;
  for (const Entry* entry : sorted) {
    if (entry->begin != end) {
      fail("the tensor '", entry->name, "' begins at byte ", entry->begin,
           " of the buffer, expected ", end, (entry->begin > end ? " (a gap)" : " (an overlap)"));
    }
    end = entry->end;
  }
  if (end != buffer_bytes)
    fail("its tensors take ", end, " bytes and the file holds ", buffer_bytes);
}

Header read_header(std::ifstream& in, uint64_t file_bytes, uint64_t& buffer_start,
                   const Complaint& fail) {
  const std::string text = read_header_text(in, file_bytes, fail);
  buffer_start = kPrefixBytes + text.size();
  std::vector<std::string> names;
  const nlohmann::json root = parse_header(text, names, fail);
  Header header;
  for (const std::string& name : names) {
    if (name == kMetadataKey) {
      header.metadata = read_metadata(root.at(name), fail);
    } else {
      header.entries.push_back(read_entry(name, root.at(name), fail));
    }
  }
  check_layout(header, file_bytes - buffer_start, fail);
  return header;
}

at::Tensor read_tensor(std::ifstream& in, const Entry& entry, uint64_t buffer_start,
                       const Complaint& fail) {
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype.type));
  const uint64_t bytes = entry.end - entry.begin;
  if (bytes == 0) return tensor;
  auto* data = static_cast<unsigned char*>(tensor.mutable_data_ptr());
  in.seekg(static_cast<std::streamoff>(buffer_start + entry.begin));
  in.read(reinterpret_cast<char*>(data), static_cast<std::streamsize>(bytes));
  if (!in) fail("the tensor '", entry.name, "' cannot be read");
  if (entry.dtype.type == at::kBool &&
      std::any_of(data, data + bytes, [](auto byte) { return byte > 1; })) {
    fail("the BOOL tensor '", entry.name, "' holds a byte that is neither 0 nor 1");
  }
  return tensor;
}

// ---- Writing ----

const Dtype& dtype_of(const std::string& path, const std::string& name, const at::Tensor& tensor) {
  UNLAZY_CHECK(tensor.defined() && tensor.layout() == at::kStrided, path, ": the tensor '", name,
               "' cannot be stored: it is ", tensor.defined() ? "not dense" : "undefined");
  const auto found = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& dtype) {
    return dtype.type == tensor.scalar_type();
  });
  UNLAZY_CHECK(found != kDtypes.end(), path, ": the tensor '", name, "' has the dtype ",
               c10::toString(tensor.scalar_type()), ", which is not stored; convert it first");
  return *found;
}

void check_names(const std::string& path, const TensorFile& file) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : file.tensors) {
    UNLAZY_CHECK(!name.empty(), path, ": a tensor without a name cannot be stored");
    UNLAZY_CHECK(name != kMetadataKey, path, ": the name ", kMetadataKey,
                 " is kept for the metadata");
    UNLAZY_CHECK(names.insert(name).second, path, ": the name '", name, "' is there twice");
  }
}

// The order in the buffer: wide dtypes first. As the format knows no gaps, this is what aligns each
// tensor to its dtype.
std::vector<size_t> buffer_order(const std::string& path, const TensorFile& file) {
  std::vector<size_t> order;
  std::vector<uint64_t> widths;
  for (const auto& [name, tensor] : file.tensors) {
    order.push_back(order.size());
    widths.push_back(dtype_of(path, name, tensor).bytes);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return widths[a] > widths[b]; });
  return order;
}

std::string header_text(const std::string& path, const TensorFile& file,
                        const std::vector<size_t>& order) {
  std::vector<std::pair<uint64_t, uint64_t>> offsets(order.size());
  uint64_t end = 0;
  for (const size_t i : order) {
    const uint64_t begin = std::exchange(end, end + file.tensors[i].second.nbytes());
    offsets[i] = {begin, end};
  }
  // Written object by object, so that the header keeps the order of `file` at any number of
  // tensors.
  std::string text = "{";
  const auto add = [&](const std::string& key, const nlohmann::ordered_json& value) {
    text += (text.size() > 1 ? "," : "") + nlohmann::ordered_json(key).dump() + ":" + value.dump();
  };
  try {
    if (!file.metadata.empty()) add(kMetadataKey, file.metadata);
    for (size_t i = 0; i < order.size(); ++i) {
      const auto& [name, tensor] = file.tensors[i];
      add(name, {{"dtype", dtype_of(path, name, tensor).name},
                 {"shape", tensor.sizes().vec()},
                 {"data_offsets", {offsets[i].first, offsets[i].second}}});
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(path + ": a name or a text of the metadata is not UTF-8 (" + error.what() + ")");
  }
  text += "}";
  text.append((kPrefixBytes - text.size() % kPrefixBytes) % kPrefixBytes, ' ');
  UNLAZY_CHECK(text.size() <= kMaxHeaderBytes, path, ": the header would have ", text.size(),
               " bytes, the most is 100000000; store less metadata");
  return text;
}

}  // namespace

const at::Tensor& TensorFile::at(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
    known.push_back(key);
  }
  throw Error("safetensors: there is no tensor '" + name + "'; " +
              (known.empty() ? "the file has no tensors" : suggest(name, known)));
}

bool TensorFile::contains(const std::string& name) const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& entry) { return entry.first == name; });
}

void save_tensors(const std::string& path, const TensorFile& file) {
  check_names(path, file);
  const std::vector<size_t> order = buffer_order(path, file);
  const std::string header = header_text(path, file, order);
  write_file(path, [&](const ByteSink& sink) {
    const uint64_t count = header.size();
    sink(&count, sizeof count);
    sink(header.data(), header.size());
    for (const size_t i : order) {
      const at::Tensor tensor = file.tensors[i].second.detach().resolve_neg().cpu().contiguous();
      if (tensor.nbytes() > 0) sink(tensor.const_data_ptr(), tensor.nbytes());
    }
  });
}

TensorFile load_tensors(const std::string& path) {
  std::error_code reason;
  const uint64_t file_bytes = std::filesystem::file_size(path, reason);
  UNLAZY_CHECK(!reason, path, ": cannot be read: ", reason.message());
  std::ifstream in(path, std::ios::binary);
  UNLAZY_CHECK(in.good(), path, ": cannot be read: ", std::strerror(errno));
  const Complaint fail{path};
  uint64_t buffer_start = 0;
  const Header header = read_header(in, file_bytes, buffer_start, fail);
  TensorFile file;
  file.metadata = header.metadata;
  for (const Entry& entry : header.entries) {
    file.tensors.emplace_back(entry.name, read_tensor(in, entry, buffer_start, fail));
  }
  return file;
}

}  // namespace unlazy
