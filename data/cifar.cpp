#include "data/cifar.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "data/places.h"

namespace unlazy::data {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;
constexpr int64_t kPixels = 3 * kPlane;

// One data set in this format. Both are read by the same code.
struct RecordFormat {
  std::string source;
  std::vector<std::string> train_files;
  std::string test_file;
  std::string names_file;
  std::vector<std::string> label_names;  // one label byte each; the last one is the class
  int64_t train_records;                 // in each file of the original
  int64_t test_records;
  std::vector<std::string> classes;  // when there is no file of names
  std::string hint;

  int64_t num_labels() const { return static_cast<int64_t>(label_names.size()); }
  int64_t record_bytes() const { return num_labels() + kPixels; }
};

std::vector<std::string> words(const char* text) {
  std::istringstream in(text);
  std::vector<std::string> list;
  for (std::string word; in >> word;) list.push_back(word);
  return list;
}

RecordFormat cifar10_format(const std::string& source) {
  return {
      .source = source,
      .train_files = words(
          "data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin"),
      .test_file = "test_batch.bin",
      .names_file = "batches.meta.txt",
      .label_names = {"label"},
      .train_records = 10000,
      .test_records = 10000,
      .classes = words("airplane automobile bird cat deer dog frog horse ship truck"),
      .hint = "get it with tools/fetch_cifar10.sh"};
}

RecordFormat cifar100_format(const std::string& source) {
  return {.source = source,
          .train_files = {"train.bin"},
          .test_file = "test.bin",
          .names_file = "fine_label_names.txt",
          .label_names = {"coarse label", "label"},
          .train_records = 50000,
          .test_records = 10000,
          .classes = words("apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle "
                           "bowl boy bridge bus butterfly camel can "
                           "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch "
                           "crab crocodile cup dinosaur dolphin "
                           "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp "
                           "lawn_mower leopard lion lizard "
                           "lobster man maple_tree motorcycle mountain mouse mushroom oak_tree "
                           "orange orchid otter palm_tree pear "
                           "pickup_truck pine_tree plain plate poppy porcupine possum rabbit "
                           "raccoon ray road rocket rose sea seal "
                           "shark shrew skunk skyscraper snail snake spider squirrel streetcar "
                           "sunflower sweet_pepper table tank "
                           "telephone television tiger tractor train trout tulip turtle wardrobe "
                           "whale willow_tree wolf woman worm"),
          .hint = "unpack https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"};
}

// One name a line; empty lines and carriage returns are dropped.
std::vector<std::string> read_names(const RecordFormat& format, const std::string& path) {
  if (!std::filesystem::exists(path)) return format.classes;
  std::istringstream in(read_file(path));
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  UNLAZY_CHECK(!names.empty() && names.size() <= 256, format.source, ": ", path, " has ",
               names.size(), " class names, expected 1 to 256");
  return names;
}

std::string read_records(const RecordFormat& format, const std::string& path,
                         int64_t original_records) {
  UNLAZY_CHECK(std::filesystem::exists(path), format.source, ": there is no ", path, "; ",
               format.hint);
  std::string bytes = read_file(path);
  const auto size = static_cast<int64_t>(bytes.size());
  UNLAZY_CHECK(size > 0 && size % format.record_bytes() == 0, format.source, ": ", path, " has ",
               size, " bytes, expected ", original_records * format.record_bytes(),
               " (an excerpt: a multiple of ", format.record_bytes(), "); ", format.hint);
  return bytes;
}

void check_label(const RecordFormat& format, const std::string& path, int64_t record, int64_t label,
                 size_t num_classes) {
  UNLAZY_CHECK(label < static_cast<int64_t>(num_classes), format.source, ": ", path, " record ",
               record, " has label ", label, ", expected 0 to ", num_classes - 1, "; ",
               format.hint);
}

// Planar R, G, B to interleaved.
void unpack(const uint8_t* planes, uint8_t* image) {
  for (int64_t i = 0; i < kPlane; ++i) {
    image[3 * i] = planes[i];
    image[3 * i + 1] = planes[kPlane + i];
    image[3 * i + 2] = planes[2 * kPlane + i];
  }
}

void pack(const uint8_t* image, char* planes) {
  for (int64_t i = 0; i < kPlane; ++i) {
    for (int64_t c = 0; c < 3; ++c) planes[c * kPlane + i] = static_cast<char>(image[3 * i + c]);
  }
}

Dataset make_dataset(int64_t count, const std::vector<std::string>& classes) {
  return {at::empty({count, kSide, kSide, 3}, at::kByte), at::empty({count}, at::kLong), classes};
}

Dataset read_split(const RecordFormat& format, const std::string& dir,
                   const std::vector<std::string>& files, int64_t original_records,
                   const std::vector<std::string>& classes) {
  std::vector<std::string> contents;
  int64_t count = 0;
  for (const auto& file : files) {
    contents.push_back(read_records(format, dir + "/" + file, original_records));
    count += static_cast<int64_t>(contents.back().size()) / format.record_bytes();
  }
  Dataset split = make_dataset(count, classes);
  auto* image = split.images.mutable_data_ptr<uint8_t>();
  auto* labels = split.labels.mutable_data_ptr<int64_t>();
  for (size_t f = 0; f < files.size(); ++f) {
    const auto* records = reinterpret_cast<const uint8_t*>(contents[f].data());
    const int64_t num_records = static_cast<int64_t>(contents[f].size()) / format.record_bytes();
    for (int64_t r = 0; r < num_records; ++r) {
      labels[r] = records[r * format.record_bytes() + format.num_labels() - 1];
      check_label(format, dir + "/" + files[f], r, labels[r], classes.size());
    }
    at::parallel_for(0, num_records, 512, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        unpack(records + r * format.record_bytes() + format.num_labels(), image + r * kPixels);
      }
    });
    labels += num_records;
    image += num_records * kPixels;
    contents[f] = {};  // 30 MB that are no longer needed
  }
  return split;
}

RawSplits read(const RecordFormat& format, const std::string& dir) {
  const auto folder = find_folder(format.source, dir, format.train_files[0], format.hint);
  const auto classes = read_names(format, folder + "/" + format.names_file);
  return {read_split(format, folder, format.train_files, format.train_records, classes),
          read_split(format, folder, {format.test_file}, format.test_records, classes)};
}

void write_records(const std::string& path, const Dataset& split, int64_t begin, int64_t end) {
  const auto* images = split.images.const_data_ptr<uint8_t>();
  const auto* labels = split.labels.const_data_ptr<int64_t>();
  write_file(path, [&](const ByteSink& sink) {
    std::array<char, 1 + kPixels> record;
    std::string block;
    for (int64_t i = begin; i < end; ++i) {
      record[0] = static_cast<char>(labels[i]);
      pack(images + i * kPixels, record.data() + 1);
      block.append(record.data(), record.size());
      if (block.size() < (1 << 20) && i + 1 < end) continue;
      sink(block.data(), block.size());
      block.clear();
    }
  });
}

void check_writable(const Dataset& split, size_t at_least) {
  UNLAZY_CHECK(
      split.images.dim() == 4 && split.images.size(1) == kSide && split.images.size(2) == kSide,
      "pack: CIFAR-10's format holds 32 x 32 images, got ", split.images.size(2), " x ",
      split.images.size(1), "; scale them with --resize 32");
  UNLAZY_CHECK(split.num_classes() <= 256,
               "pack: CIFAR-10's format holds at most 256 classes, got ", split.num_classes());
  UNLAZY_CHECK(split.size() >= static_cast<int64_t>(at_least), "pack: needs at least ", at_least,
               " images in the split, got ", split.size());
}

}  // namespace

RawSplits read_cifar10(const std::string& source, const std::string& dir) {
  return read(cifar10_format(source), dir);
}
RawSplits read_cifar100(const std::string& source, const std::string& dir) {
  return read(cifar100_format(source), dir);
}

void write_cifar10(const std::string& dir, const RawSplits& splits) {
  const auto format = cifar10_format("pack");
  const auto num_files = static_cast<int64_t>(format.train_files.size());
  check_writable(splits.train, format.train_files.size());
  check_writable(splits.test, 1);
  std::filesystem::create_directories(dir);
  const int64_t count = splits.train.size();
  for (int64_t f = 0; f < num_files; ++f) {
    write_records(dir + "/" + format.train_files[static_cast<size_t>(f)], splits.train,
                  count * f / num_files, count * (f + 1) / num_files);
  }
  write_records(dir + "/" + format.test_file, splits.test, 0, splits.test.size());
  write_file(dir + "/" + format.names_file, join(splits.train.classes, "\n") + "\n");
}

}  // namespace unlazy::data
