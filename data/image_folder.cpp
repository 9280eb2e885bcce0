#include "data/image_folder.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <limits>
#include <mutex>
#include <optional>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "data/image_size.h"
#include "data/png.h"

namespace unlazy::data {
namespace {

namespace fs = std::filesystem;

struct File {
  std::string path;
  int64_t label;
};

std::string extension(const fs::path& path) {
  std::string text = path.extension();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_image(const fs::directory_entry& entry) {
  const auto kind = extension(entry.path());
  return entry.path().filename().native()[0] != '.' && entry.is_regular_file() &&
         (kind == ".png" || kind == ".jpg" || kind == ".jpeg");
}

std::vector<std::string> class_names(const std::string& dir) {
  UNLAZY_CHECK(
      fs::is_directory(dir), "image-folder: there is no folder ", dir,
      "; expected train/CLASS/*.png and test/CLASS/*.png (or .jpg, .jpeg) below --data-dir");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) {
    const auto name = entry.path().filename().string();
    if (entry.is_directory() && name[0] != '.') names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  UNLAZY_CHECK(!names.empty(), "image-folder: ", dir, " has no class folders");
  return names;
}

std::vector<File> list_files(const std::string& dir, const std::vector<std::string>& classes) {
  std::vector<File> files;
  for (size_t label = 0; label < classes.size(); ++label) {
    const auto first = static_cast<std::ptrdiff_t>(files.size());
    for (const auto& entry : fs::directory_iterator(fs::path(dir) / classes[label])) {
      if (is_image(entry)) files.push_back({entry.path(), static_cast<int64_t>(label)});
    }
    std::sort(files.begin() + first, files.end(),
              [](const File& a, const File& b) { return a.path < b.path; });
    UNLAZY_CHECK(static_cast<std::ptrdiff_t>(files.size()) > first, "image-folder: ", dir, "/",
                 classes[label], " has no .png, .jpg or .jpeg files");
  }
  return files;
}

// libjpeg fills what a truncated file lacks with grey and calls it a success. In compressed data
// 0xff is always followed by 0x00 or a restart marker, so a complete file has its end marker (ff
// d9) after the start of its last scan (ff da).
bool is_complete_jpeg(const std::string& bytes) {
  const auto scan = bytes.rfind("\xff\xda");
  const auto end = bytes.rfind("\xff\xd9");
  return end != std::string::npos && (scan == std::string::npos || end > scan);
}

// The bytes of a file that a decoder may be given.
std::string read_image_file(const std::string& path) {
  constexpr uintmax_t kMost = std::numeric_limits<int>::max();  // OpenCV counts bytes in an int
  std::error_code reason;  // a file that is not there is told by read_file()
  const auto size = fs::file_size(path, reason);
  UNLAZY_CHECK(reason || size <= kMost, "image-folder: ", path, " has ", size,
               " bytes; the most is 2 GiB: make it smaller or remove it");
  return read_file(path);
}

cv::Mat decode(const std::string& path, const DataOptions& options) {
  std::string bytes = read_image_file(path);
  const auto size = image_size(bytes);
  if (size) {
    const int64_t pixels = size->width * size->height;
    UNLAZY_CHECK(pixels <= options.max_megapixels * 1'000'000, "image-folder: ", path, " is ",
                 size->width, " x ", size->height, " pixels, more than --max-megapixels ",
                 options.max_megapixels, " million; make it smaller, or raise --max-megapixels");
  }
  cv::Mat image;
  if (size && (!size->is_jpeg || is_complete_jpeg(bytes))) {
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1, bytes.data());
    try {
      image = cv::imdecode(buffer, cv::IMREAD_COLOR);
    } catch (const cv::Exception&) {
      // Said below with the path.
    }
  }
  UNLAZY_CHECK(!image.empty(), "image-folder: ", path, " cannot be decoded (", bytes.size(),
               " bytes); replace or remove it");
  cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  if (options.resize > 0) {
    const auto side = static_cast<int>(options.resize);
    const bool is_larger = image.rows > side || image.cols > side;
    cv::resize(image, image, {side, side}, 0, 0, is_larger ? cv::INTER_AREA : cv::INTER_LINEAR);
  }
  return image;
}

// Runs body(i) for all i on all cores; of several failures the one with the smallest i is thrown,
// so that the message does not depend on the threads.
template <class Body>
void for_each_in_parallel(int64_t count, const Body& body) {
  std::mutex mutex;
  int64_t failed = std::numeric_limits<int64_t>::max();
  std::exception_ptr failure;
  at::parallel_for(0, count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed) failure = std::current_exception();
        failed = std::min(failed, i);
        return;
      }
    }
  });
  if (failure) std::rethrow_exception(failure);
}

// The first image of all, which says what size the others have.
struct FirstImage {
  std::string path;
  int rows, cols;
};

Dataset read_files(const std::vector<File>& files, const std::vector<std::string>& classes,
                   const FirstImage& first, const DataOptions& options) {
  const auto count = static_cast<int64_t>(files.size());
  Dataset split{at::empty({count, first.rows, first.cols, 3}, at::kByte),
                at::empty({count}, at::kLong), classes};
  auto* images = split.images.mutable_data_ptr<uint8_t>();
  auto* labels = split.labels.mutable_data_ptr<int64_t>();
  for_each_in_parallel(count, [&](int64_t i) {
    const File& file = files[static_cast<size_t>(i)];
    const cv::Mat image = decode(file.path, options);
    UNLAZY_CHECK(image.rows == first.rows && image.cols == first.cols, "image-folder: ", first.path,
                 " is ", first.cols, " x ", first.rows, " pixels, but ", file.path, " is ",
                 image.cols, " x ", image.rows, "; scale all to one size with --resize");
    const int64_t bytes = int64_t{first.rows} * first.cols * 3;
    std::copy_n(image.data, bytes, images + i * bytes);  // contiguous: cvtColor or resize made it
    labels[i] = file.label;
  });
  return split;
}

FirstImage look_at(const File& file, const DataOptions& options) {
  const cv::Mat image = decode(file.path, options);
  return {file.path, image.rows, image.cols};
}

}  // namespace

bool has_split_folders(const std::string& dir) {
  return fs::is_directory(fs::path(dir) / "train") && fs::is_directory(fs::path(dir) / "test");
}

Dataset read_class_folders(const DataOptions& options) {
  const auto classes = class_names(options.dir);
  const auto files = list_files(options.dir, classes);
  return read_files(files, classes, look_at(files[0], options), options);
}

RawSplits read_image_folder(const DataOptions& options) {
  const std::string train = options.dir + "/train", test = options.dir + "/test";
  const auto classes = class_names(train);
  const auto test_classes = class_names(test);
  UNLAZY_CHECK(classes == test_classes, "image-folder: ", train, " and ", test,
               " have different class folders: ", join(classes), " and ", join(test_classes));
  const auto train_files = list_files(train, classes);
  const auto test_files = list_files(test, classes);
  const auto first = look_at(train_files[0], options);
  return {read_files(train_files, classes, first, options),
          read_files(test_files, classes, first, options), /*is_by_class=*/true};
}

void write_class_folders(const std::string& dir, const Dataset& split) {
  for (const auto& name : split.classes) {
    UNLAZY_CHECK(name.find('/') == std::string::npos && name[0] != '.', "export: the class name '",
                 name, "' is no folder name");
    fs::create_directories(fs::path(dir) / name);
  }
  const auto* labels = split.labels.const_data_ptr<int64_t>();
  std::vector<int64_t> number(static_cast<size_t>(split.size()));
  std::vector<int64_t> written(split.classes.size());
  for (size_t i = 0; i < number.size(); ++i) number[i] = written[static_cast<size_t>(labels[i])]++;
  for_each_in_parallel(split.size(), [&](int64_t i) {
    const auto digits = std::to_string(number[static_cast<size_t>(i)]);
    const auto name = std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits + ".png";
    const auto path = dir + "/" + split.classes[static_cast<size_t>(labels[i])] + "/" + name;
    write_png(path, image_at(split, i));
  });
}

}  // namespace unlazy::data
