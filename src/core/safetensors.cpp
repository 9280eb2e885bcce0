#include "core/safetensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"

namespace unlazy {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kMaxHeader = 100'000'000;

struct Dtype {
  const char* name;
  c10::ScalarType type;
};
constexpr std::array<Dtype, 10> kDtypes = {{{"F64", c10::kDouble},
                                            {"F32", c10::kFloat},
                                            {"F16", c10::kHalf},
                                            {"BF16", c10::kBFloat16},
                                            {"I64", c10::kLong},
                                            {"I32", c10::kInt},
                                            {"I16", c10::kShort},
                                            {"I8", c10::kChar},
                                            {"U8", c10::kByte},
                                            {"BOOL", c10::kBool}}};

std::string dtype_name(const std::string& tensor, c10::ScalarType type) {
  for (const auto& dtype : kDtypes) {
    if (dtype.type == type) return dtype.name;
  }
  throw Error("safetensors: tensor '" + tensor +
              "' has a dtype that the format does not know: " + c10::toString(type));
}

// nlohmann keeps the last of doubled keys; the format forbids them.
Json parse_header(const std::string& path, const std::string& text) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto key = value.get<std::string>();
      UNLAZY_CHECK(keys.back().insert(key).second, path, ": the name '", key,
                   "' stands twice in the header");
    }
    return true;
  };
  try {
    Json header = Json::parse(text, check);
    UNLAZY_CHECK(!text.empty() && text[0] == '{' && header.is_object(), path,
                 ": the header is not a JSON object");
    return header;
  } catch (const Json::exception&) {
    throw Error(path + ": the header is not valid JSON; is this a safetensors file?");
  }
}

struct Entry {
  std::string name;
  c10::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin, end;
};

uint64_t whole_number(const std::string& path, const std::string& name, const Json& value) {
  UNLAZY_CHECK(
      value.is_number_unsigned() && value.get<uint64_t>() <= std::numeric_limits<int64_t>::max(),
      path, ": tensor '", name, "' has ", value.dump(), " where a whole number was expected");
  return value.get<uint64_t>();
}

Entry read_entry(const std::string& path, const std::string& name, const Json& value) {
  UNLAZY_CHECK(value.is_object() && value.size() == 3 && value.contains("dtype") &&
                   value.contains("shape") && value.contains("data_offsets") &&
                   value["dtype"].is_string() && value["shape"].is_array() &&
                   value["data_offsets"].is_array() && value["data_offsets"].size() == 2,
               path, ": tensor '", name, "' must have dtype, shape and data_offsets, has ",
               value.dump());
  Entry entry;
  entry.name = name;
  const auto wanted = value["dtype"].get<std::string>();
  const auto found = std::find_if(kDtypes.begin(), kDtypes.end(),
                                  [&](const Dtype& d) { return d.name == wanted; });
  UNLAZY_CHECK(found != kDtypes.end(), path, ": tensor '", name, "' has dtype '", wanted,
               "', which is not supported");
  entry.type = found->type;
  uint64_t bytes = c10::elementSize(entry.type);
  for (const auto& length : value["shape"]) {
    const uint64_t size = whole_number(path, name, length);
    UNLAZY_CHECK(!__builtin_mul_overflow(bytes, size, &bytes), path, ": tensor '", name,
                 "' has an impossible shape ", value["shape"].dump());
    entry.shape.push_back(static_cast<int64_t>(size));
  }
  entry.begin = whole_number(path, name, value["data_offsets"][0]);
  entry.end = whole_number(path, name, value["data_offsets"][1]);
  UNLAZY_CHECK(entry.begin <= entry.end && entry.end - entry.begin == bytes, path, ": tensor '",
               name, "' of shape ", value["shape"].dump(), " and dtype ", wanted, " needs ", bytes,
               " bytes, its offsets are ", value["data_offsets"].dump());
  return entry;
}

// The buffer must be covered by the tensors, without gaps, overlaps or a rest.
void check_cover(const std::string& path, std::vector<Entry> entries, uint64_t buffer) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const auto& entry : entries) {
    UNLAZY_CHECK(entry.begin == at, path, ": tensor '", entry.name, "' begins at byte ",
                 entry.begin, ", expected ", at);
    at = entry.end;
  }
  UNLAZY_CHECK(at == buffer, path, ": the tensors take ", at, " bytes, the file has ", buffer,
               "; it is truncated or has a rest");
}

}  // namespace

const at::Tensor& TensorFile::at(const std::string& name) const {
  std::vector<std::string> known;
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
    known.push_back(key);
  }
  throw Error("safetensors: there is no tensor '" + name + "'; " + suggest(name, known));
}

bool TensorFile::contains(const std::string& name) const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& pair) { return pair.first == name; });
}

void save_tensors(const std::string& path, const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    UNLAZY_CHECK(!name.empty() && name != "__metadata__" && !header.contains(name),
                 "safetensors: the name '", name, "' is empty, reserved or stands twice");
    const uint64_t bytes = static_cast<uint64_t>(tensor.numel()) * tensor.element_size();
    header[name] = {{"dtype", dtype_name(name, tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  write_file(path, [&](const ByteSink& sink) {
    sink(&length, sizeof length);
    sink(text.data(), text.size());
    for (const auto& [name, tensor] : file.tensors) {
      const auto host = tensor.detach().cpu().contiguous();
      sink(host.const_data_ptr(), static_cast<size_t>(host.numel()) * host.element_size());
    }
  });
}

TensorFile load_tensors(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  UNLAZY_CHECK(in.good(), path, ": cannot be read; is the path right?");
  const auto total = static_cast<uint64_t>(in.tellg());
  in.seekg(0);
  uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), sizeof length);
  UNLAZY_CHECK(total >= 8 && length <= kMaxHeader && 8 + length <= total, path,
               ": is not a safetensors file, or is truncated (", total, " bytes)");
  std::string text(length, '\0');
  in.read(text.data(), static_cast<std::streamsize>(length));
  TensorFile file;
  std::vector<Entry> entries;
  const Json header = parse_header(path, text);  // items() refers to it
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, word] : value.items()) {
        UNLAZY_CHECK(word.is_string(), path, ": metadata '", key, "' is not a string");
        file.metadata[key] = word.get<std::string>();
      }
      continue;
    }
    entries.push_back(read_entry(path, name, value));
  }
  check_cover(path, entries, total - 8 - length);
  for (const auto& entry : entries) {
    auto tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
    in.seekg(static_cast<std::streamoff>(8 + length + entry.begin));
    if (entry.end > entry.begin) {
      in.read(static_cast<char*>(tensor.mutable_data_ptr()),
              static_cast<std::streamsize>(entry.end - entry.begin));
    }
    UNLAZY_CHECK(in.good(), path, ": could not be read to its end");
    file.tensors.emplace_back(entry.name, std::move(tensor));
  }
  return file;
}

}  // namespace unlazy
