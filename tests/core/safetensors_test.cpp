// The safetensors format: a file by Python's package, round trips, and each thing that the format
// forbids, refused with its exact text. tests/golden/make_safetensors.py wrote the Python file.
#include "core/safetensors.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::expect_error;
using testing::ScratchFolder;

const std::string kGolden = UNLAZY_SOURCE_DIR "/tests/golden/every_dtype.safetensors";

std::string with_length(const std::string& header, uint64_t length, const std::string& buffer) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + buffer;
}

std::string file_of(const std::string& header, const std::string& buffer = "") {
  return with_length(header, header.size(), buffer);
}

// The text of a file with one tensor "a" of two U8 values.
std::string one_entry(const std::string& dtype, const std::string& shape,
                      const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

// Without the flush to the disk of write_file(), for the thousands of files below.
void write_quickly(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

void expect_refused(const std::string& content, const std::string& reason) {
  SCOPED_TRACE(reason);
  const ScratchFolder scratch;
  const std::string path = scratch / "w.safetensors";
  write_quickly(path, content);
  expect_error([&] { load_tensors(path); },
               path + ": is not a whole safetensors file: " + reason + "; copy or write it again");
}

TEST(Safetensors, ReadsWhatPythonWrites) {
  const auto file = load_tensors(kGolden);
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"},
                                                               {"writer", "safetensors.torch"}}));
  EXPECT_EQ(file.tensors.size(), 12u);
  const auto expect = [&](const std::string& name, const at::Tensor& wanted) {
    SCOPED_TRACE(name);
    const auto& found = file.at(name);
    EXPECT_EQ(found.scalar_type(), wanted.scalar_type());
    EXPECT_EQ(found.sizes(), wanted.sizes());
    EXPECT_TRUE(at::equal(found, wanted)) << found;
  };
  expect("f64", at::tensor({0.1, -2.5, 1e300, 3.0}, at::kDouble).view({2, 2}));
  expect("f32", at::tensor({0.1f, -2.5f, 1e30f}));
  expect("f16", at::tensor({0.5, -2.5, 65504.0}).to(at::kHalf));
  expect("bf16", at::tensor({0.5f, -2.5f, 1e30f}).to(at::kBFloat16));
  expect("i64", at::scalar_tensor(-(int64_t{1} << 40), at::kLong));
  expect("i32", at::tensor({2147483647, -2147483647 - 1}, at::kInt));
  expect("i16", at::tensor({32767, -32768}, at::kShort));
  expect("i8", at::tensor({127, -128}, at::kChar).view({2, 1}));
  expect("u8", at::tensor({0, 255}, at::kByte));
  expect("bool", at::tensor({1, 0, 1}).to(at::kBool));
  expect("empty", at::zeros({0, 3}));
  expect("größe.weight", at::ones({1, 1, 2}));
}

TEST(Safetensors, RoundTripKeepsNamesOrderDtypesAndBits) {
  const ScratchFolder scratch;
  auto file = load_tensors(kGolden);
  file.metadata["note"] = "\"quotes\", line\nbreak, größe";
  std::reverse(file.tensors.begin(), file.tensors.end());
  save_tensors(scratch / "copy.safetensors", file);
  const auto copy = load_tensors(scratch / "copy.safetensors");
  EXPECT_EQ(copy.metadata, file.metadata);
  ASSERT_EQ(copy.tensors.size(), file.tensors.size());
  for (size_t i = 0; i < file.tensors.size(); ++i) {
    SCOPED_TRACE(file.tensors[i].first);
    EXPECT_EQ(copy.tensors[i].first, file.tensors[i].first);
    EXPECT_EQ(copy.tensors[i].second.scalar_type(), file.tensors[i].second.scalar_type());
    EXPECT_EQ(copy.tensors[i].second.sizes(), file.tensors[i].second.sizes());
    EXPECT_TRUE(at::equal(copy.tensors[i].second, file.tensors[i].second));
  }
}

TEST(Safetensors, ADeeplyNestedHeaderIsRefused) {
  for (const auto& [open, close] :
       {std::pair<std::string, std::string>{"[", "]"}, {R"({"a":)", "}"}}) {
    std::string text = R"({"a":)", end;
    for (int i = 0; i < 300'000; ++i) {
      text += open;
      end += close;
    }
    expect_refused(file_of(text + "1" + end + "}"), "its header is nested more than 64 deep");
    expect_refused(file_of(text), "its header is nested more than 64 deep");  // no end
  }
}

TEST(Safetensors, EachTensorIsAlignedToItsDtype) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  save_tensors(path, {{{"flags", at::ones({3}, at::kBool)},
                       {"half", at::ones({3}, at::kBFloat16)},
                       {"wide", at::ones({2}, at::kDouble)}},
                      {}});
  const auto content = read_file(path);
  uint64_t length = 0;
  std::memcpy(&length, content.data(), sizeof length);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(content.substr(8, length),
            R"({"flags":{"dtype":"BOOL","shape":[3],"data_offsets":[22,25]},)"
            R"("half":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},)"
            R"("wide":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}       )");
  EXPECT_TRUE(at::equal(load_tensors(path).at("half"), at::ones({3}, at::kBFloat16)));
}

TEST(Safetensors, AnyStridesAreStoredRowMajor) {
  const ScratchFolder scratch;
  const auto whole = at::arange(120, at::kFloat).view({2, 3, 4, 5});
  const TensorFile file{{{"channels_last", whole.contiguous(at::MemoryFormat::ChannelsLast)},
                         {"transposed", whole.transpose(0, 3)},
                         {"every_second", whole.slice(3, 0, 5, 2)},
                         {"expanded", at::ones({1, 3}).expand({4, 3})}},
                        {}};
  save_tensors(scratch / "w.safetensors", file);
  const auto read = load_tensors(scratch / "w.safetensors");
  for (const auto& [name, tensor] : file.tensors) {
    EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
    EXPECT_TRUE(read.at(name).is_contiguous()) << name;
  }
}

TEST(Safetensors, EmptyFileAndParametersOfAGraphAreFine) {
  const ScratchFolder scratch;
  save_tensors(scratch / "none.safetensors", {});
  EXPECT_TRUE(load_tensors(scratch / "none.safetensors").tensors.empty());
  save_tensors(scratch / "p.safetensors", {{{"p", at::ones({2}).requires_grad_()}}, {}});
  EXPECT_FALSE(load_tensors(scratch / "p.safetensors").at("p").requires_grad());
}

TEST(Safetensors, AtNamesTheNearestKnownTensor) {
  const auto file = load_tensors(kGolden);
  EXPECT_TRUE(file.contains("bf16"));
  EXPECT_FALSE(file.contains("bf17"));
  expect_error([&] { file.at("bool8"); },
               "safetensors: there is no tensor 'bool8'; did you mean 'bool'?");
  expect_error([&] { TensorFile().at("x"); },
               "safetensors: there is no tensor 'x'; the file has no tensors");
}

TEST(Safetensors, WriterRefusesWhatCannotBeStored) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  const auto refuse = [&](const TensorFile& file, const std::string& text) {
    SCOPED_TRACE(text);
    expect_error([&] { save_tensors(path, file); }, path + text);
  };
  const auto one = at::ones({1});
  refuse({{{"", one}}, {}}, ": a tensor without a name cannot be stored");
  refuse({{{"a", one}, {"b", one}, {"a", one}}, {}}, ": the name 'a' is there twice");
  refuse({{{"__metadata__", one}}, {}}, ": the name __metadata__ is kept for the metadata");
  refuse({{{"a", at::Tensor()}}, {}}, ": the tensor 'a' cannot be stored: it is undefined");
  refuse({{{"a", one.to_sparse()}}, {}}, ": the tensor 'a' cannot be stored: it is not dense");
  refuse({{{"a", one.to(at::kComplexFloat)}}, {}},
         ": the tensor 'a' has the dtype ComplexFloat, which is not stored; convert it first");
  refuse({{{"\xff", one}}, {}},
         ": a name or a text of the metadata is not UTF-8 ([json.exception.type_error.316] invalid "
         "UTF-8 byte at index 0: 0xFF)");
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(Safetensors, MissingFileAndFolderAreNamed) {
  const ScratchFolder scratch;
  const auto path = scratch / "none.safetensors";
  expect_error([&] { load_tensors(path); }, path + ": cannot be read: No such file or directory");
  expect_error([&] { load_tensors(scratch.path()); },
               scratch.path() + ": cannot be read: Is a directory");
}

TEST(Safetensors, RefusesBadLengths) {
  expect_refused("", "it has 0 bytes, expected at least 8");
  expect_refused("1234567", "it has 7 bytes, expected at least 8");
  expect_refused(with_length("{}", 100'000'001, ""),
                 "its header has 100000001 bytes, the most is 100000000");
  expect_refused(with_length("{}", ~uint64_t{0}, ""),
                 "its header has 18446744073709551615 bytes, the most is 100000000");
  expect_refused(with_length("{}", 3, ""),
                 "its header of 3 bytes reaches past the end of the file of 10 bytes");
}

TEST(Safetensors, RefusesBadHeaders) {
  expect_refused(file_of(""), "its header does not begin with '{'");
  expect_refused(file_of(" {}"), "its header does not begin with '{'");
  expect_refused(file_of("[]"), "its header does not begin with '{'");
  expect_refused(file_of(std::string("{}\0\0", 4)), "its header holds a NUL byte");
  expect_refused(file_of(R"({"a":{},"a":{}})"), "the key 'a' is there twice");
  expect_refused(file_of(R"({"a":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}})"),
                 "the key 'shape' is there twice");
  expect_refused(file_of(R"({"__metadata__":{"x":"1","x":"2"}})"), "the key 'x' is there twice");
  expect_refused(file_of(R"({"__metadata__":3})"), "__metadata__ is not an object");
  expect_refused(file_of(R"({"__metadata__":{"epoch":3}})"),
                 "the metadata 'epoch' is not a string");
  for (const char* text : {"{", "{}}", "{'a':1}", "{\"a\":}", "{\"\xff\":1}", "{\"a\":1,}"}) {
    const ScratchFolder scratch;
    const auto path = scratch / "w.safetensors";
    write_quickly(path, file_of(text));
    try {
      load_tensors(path);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("its header is not JSON in UTF-8 (["),
                std::string::npos)
          << error.what();
    }
  }
}

TEST(Safetensors, RefusesBadEntries) {
  const std::string two(2, '\1');
  const auto refuse = [&](const std::string& header, const std::string& reason) {
    expect_refused(file_of(header, two), reason);
  };
  refuse(R"({"a":[]})", "the entry 'a' is not an object");
  refuse(R"({"a":{"shape":[2],"data_offsets":[0,2]}})", "the tensor 'a' has no dtype");
  refuse(R"({"a":{"dtype":"U8","data_offsets":[0,2]}})", "the tensor 'a' has no list 'shape'");
  refuse(R"({"a":{"dtype":"U8","shape":[2]}})", "the tensor 'a' has no list 'data_offsets'");
  refuse(one_entry("F8_E4M3", "[2]", "[0,2]"),
         "the tensor 'a' has the dtype 'F8_E4M3', expected one of F64, F32, F16, BF16, I64, I32, "
         "I16, I8, U8, BOOL");
  refuse(one_entry("U8", "[-2]", "[0,2]"), "the shape of the tensor 'a' holds -2, expected counts");
  refuse(one_entry("U8", "[2.0]", "[0,2]"),
         "the shape of the tensor 'a' holds 2.0, expected counts");
  refuse(one_entry("U8", "[2]", "[0,\"2\"]"),
         "the data_offsets of the tensor 'a' holds \"2\", expected counts");
  refuse(one_entry("U8", "[2]", "[0,2,2]"), "the tensor 'a' has 3 data_offsets, expected 2");
  refuse(one_entry("U8", "[2]", "[2,0]"), "the tensor 'a' ends before it begins");
  refuse(one_entry("U8", "[3]", "[0,2]"), "the tensor 'a' has 2 bytes, its shape and dtype need 3");
  refuse(one_entry("I16", "[2]", "[0,2]"),
         "the tensor 'a' has 2 bytes, its shape and dtype need 4");
  for (const char* shape : {"[4294967296,4294967296,4294967296]", "[9223372036854775808]",
                            "[4611686018427387904,4611686018427387904,0]",
                            "[0,4611686018427387904,4611686018427387904]"}) {
    refuse(one_entry("U8", shape, "[0,0]"), "the shape of the tensor 'a' overflows");
  }
  expect_refused(file_of(one_entry("BOOL", "[2]", "[0,2]"), "\1\2"),
                 "the BOOL tensor 'a' holds a byte that is neither 0 nor 1");
}

TEST(Safetensors, RefusesGapsOverlapsAndTrailingBytes) {
  const auto two = [](int a_begin, int a_end, int b_begin, int b_end) {
    const auto entry = [](int begin, int end) {
      return R"({"dtype":"U8","shape":[)" + std::to_string(end - begin) + R"(],"data_offsets":[)" +
             std::to_string(begin) + "," + std::to_string(end) + "]}";
    };
    return file_of(R"({"a":)" + entry(a_begin, a_end) + R"(,"b":)" + entry(b_begin, b_end) + "}",
                   "1234");
  };
  expect_refused(two(0, 2, 1, 4),
                 "the tensor 'b' begins at byte 1 of the buffer, expected 2 (an overlap)");
  expect_refused(two(0, 2, 0, 2),
                 "the tensor 'b' begins at byte 0 of the buffer, expected 2 (an overlap)");
  expect_refused(two(0, 1, 2, 4),
                 "the tensor 'b' begins at byte 2 of the buffer, expected 1 (a gap)");
  expect_refused(two(3, 4, 1, 3),
                 "the tensor 'b' begins at byte 1 of the buffer, expected 0 (a gap)");
  expect_refused(two(0, 2, 2, 3), "its tensors take 3 bytes and the file holds 4");
  expect_refused(two(0, 2, 2, 5), "its tensors take 5 bytes and the file holds 4");
  expect_refused(file_of("{}", "1"), "its tensors take 0 bytes and the file holds 1");

  const ScratchFolder scratch;  // the order of the names is free
  write_quickly(scratch / "w.safetensors", two(2, 4, 0, 2));
  EXPECT_EQ(load_tensors(scratch / "w.safetensors").at("a")[0].item<int>(), '3');
}

// Whatever is cut off or flipped: an Error or a file that the format allows, never a crash or
// another exception.
TEST(Safetensors, EveryTruncationIsAnError) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  const auto content = read_file(kGolden);
  for (size_t length = 0; length < content.size(); ++length) {
    write_quickly(path, std::string_view(content).substr(0, length));
    EXPECT_THROW(load_tensors(path), Error) << length;
  }
}

TEST(Safetensors, EveryChangedByteIsAnErrorOrAnotherWholeFile) {
  const ScratchFolder scratch;
  const auto path = scratch / "w.safetensors";
  const auto original = read_file(kGolden);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, original.data(), sizeof header_bytes);
  int num_errors = 0;
  for (size_t i = 0; i < 8 + header_bytes; ++i) {
    for (const char change : {'\1', '\x20', '\x80'}) {
      auto content = original;
      content[i] = static_cast<char>(content[i] ^ change);
      write_quickly(path, content);
      try {
        load_tensors(path);
      } catch (const Error&) {
        ++num_errors;
      }
    }
  }
  // At least all of the lengths, brackets, colons and digits; letters in names may change.
  EXPECT_GT(num_errors, static_cast<int>(header_bytes));
}

}  // namespace
}  // namespace unlazy
