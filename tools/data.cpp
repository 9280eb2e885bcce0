// unlazy data: looks at a data set or at its training batches, writes it as PNG files, or packs an
// image folder into CIFAR-10's binary format.
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/rng.h"
#include "core/stopwatch.h"
#include "data/cifar.h"
#include "data/contact_sheet.h"
#include "data/dataset.h"
#include "data/image_folder.h"
#include "data/places.h"
#include "data/statistics.h"
#include "noise/label_noise.h"
#include "train/batch_preview.h"

namespace unlazy::tools {
namespace {

struct ExportOptions {
  std::string out;
  int64_t seed_value = 0;
  int64_t holdout = 0;
  int64_t sheet = 0;
  int64_t batches = 1;

  uint64_t seed() const { return static_cast<uint64_t>(seed_value); }
};

OptionTable describe(ExportOptions& options) {
  return {
      "Output",
      {
          {.name = "out",
           .target = &options.out,
           .help = "Folder that export and pack write to; file of preview, empty: preview.png."},
          {.name = "seed",
           .target = &options.seed_value,
           .range = Range::at_least(0),
           .help = "Seed of the subsets, of the order of packed images and of the images held out; "
                   "preview: that of the run, so that its batches are shown."},
          {.name = "holdout",
           .target = &options.holdout,
           .range = Range::at_least(0),
           .unit = "images",
           .help = "pack, for a folder without train and test: number of random images that become "
                   "the test split."},
          {.name = "sheet",
           .target = &options.sheet,
           .range = Range::closed(0, 100),
           .unit = "images",
           .help = "export: also write train.png and test.png with this many images of each class; "
                   "0: none."},
          {.name = "batches",
           .target = &options.batches,
           .range = Range::closed(1, 100),
           .help = "preview: number of batches, from the first step on."},
      }};
}

std::string triple(const std::array<double, 3>& values) {
  return rounded_text(values[0]) + " " + rounded_text(values[1]) + " " + rounded_text(values[2]);
}

void print_split(const std::string& name, const data::Dataset& split) {
  const auto statistics = data::pixel_statistics(split.images);
  std::cout << std::left << std::setw(10) << name << split.size() << " images, "
            << split.images.size(2) << " x " << split.images.size(1) << ", mean "
            << triple(statistics.mean) << ", standard deviation " << triple(statistics.stddev)
            << "\n";
}

void print_classes(const data::Splits& splits) {
  const auto train = data::class_counts(splits.train), test = data::class_counts(splits.test);
  std::cout << "\n  class  name                   train   test\n";
  for (size_t k = 0; k < train.size(); ++k) {
    std::cout << std::right << std::setw(7) << k << "  " << std::left << std::setw(20)
              << splits.train.classes[k] << std::right << std::setw(8) << train[k] << std::setw(7)
              << test[k] << "\n";
  }
}

// The images in a random order, so that every file and every excerpt is a fair mixture.
data::Dataset take(const data::Dataset& split, const std::vector<int64_t>& order, int64_t begin,
                   int64_t end) {
  const auto chosen =
      at::tensor(std::vector<int64_t>(order.begin() + begin, order.begin() + end), at::kLong);
  return {split.images.index_select(0, chosen), split.labels.index_select(0, chosen),
          split.classes};
}

data::Dataset shuffled(const data::Dataset& split, uint64_t seed, uint64_t draw) {
  return take(split, Rng(seed, Stream::kOrder, draw).permutation(split.size()), 0, split.size());
}

// A packed set without its own test split sets some images aside.
data::RawSplits hold_out(const data::Dataset& all, const std::string& dir,
                         const ExportOptions& options) {
  UNLAZY_CHECK_USAGE(options.holdout > 0 && options.holdout < all.size(), "pack: ", dir,
                     " has no train and test folders; say with --holdout how many of its ",
                     all.size(), " images become the test split");
  const auto order = Rng(options.seed(), Stream::kOrder).permutation(all.size());
  return {take(all, order, options.holdout, all.size()), take(all, order, 0, options.holdout)};
}

data::RawSplits read_to_pack(const data::DataOptions& data, const ExportOptions& options) {
  UNLAZY_CHECK_USAGE(!data.dir.empty(), "pack: which image folder? Name it with --data-dir");
  if (!data::has_split_folders(data.dir)) {
    return hold_out(data::read_class_folders(data), data.dir, options);
  }
  UNLAZY_CHECK_USAGE(options.holdout == 0, "pack: ", data.dir,
                     " has its own test folder; --holdout has no effect");
  const auto splits = data::read_image_folder(data);
  return {shuffled(splits.train, options.seed(), 0), shuffled(splits.test, options.seed(), 1)};
}

bool is_same(const data::Dataset& a, const data::Dataset& b) {
  return a.classes == b.classes && at::equal(a.labels, b.labels) && at::equal(a.images, b.images);
}

class Data : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::vector<std::string> first_words() const override {
    return {"info", "preview", "export", "pack"};
  }
  std::string usage() const override { return join(first_words(), "|") + " [options]"; }
  std::string description() const override {
    return "  info     sizes, classes and statistics of a data set, and which data sets were "
           "found\n"
           "  preview  draws the first training batches as training sees them: crops, mirror "
           "images, "
           "true and flipped labels\n"
           "  export   writes it as OUT/train/CLASS/00000.png and OUT/test/CLASS/00000.png\n"
           "  pack     writes an image folder in CIFAR-10's binary format: data_batch_1..5.bin, "
           "test_batch.bin,\n"
           "           batches.meta.txt; --data cifar10 --data-dir OUT then reads it\n\n"
           "  unlazy data info --data cifar10-sample\n"
           "  unlazy data preview --data cifar10-sample --noise flip --noise-rate 0.1 --out "
           "preview.png\n"
           "  unlazy data export --data cifar10-sample --out pictures --sheet 10\n"
           "  unlazy data pack --data-dir pictures --out packed\n";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(
        words.size() == 1 && std::ranges::count(first_words(), words[0]) > 0,
        "data: say what to do: unlazy data info, unlazy data preview, unlazy data export or unlazy "
        "data pack");
    refuse_other_options(words[0]);
    if (words[0] == "info") return info();
    if (words[0] == "preview") return preview();
    UNLAZY_CHECK_USAGE(!output_.out.empty(), "data: ", words[0],
                       " needs a folder to write to: --out");
    check_writable(output_.out);
    return words[0] == "export" ? write_pictures() : pack();
  }

 private:
  // An option that would do nothing is an error.
  void refuse(const std::vector<std::string>& names, const std::string& action) const {
    for (const auto& name : names) {
      UNLAZY_CHECK_USAGE(!options_.is_given(name), "data: --", name,
                         " has no effect with unlazy data ", action);
    }
  }

  void refuse_other_options(const std::string& action) {
    std::vector<std::string> of_preview = {"batches"};
    const std::vector<OptionTable> tables = {data::describe(batch_), noise::describe(noise_)};
    for (const auto& table : tables) {
      for (const auto& row : table.rows()) of_preview.push_back(row.name);
    }
    if (action != "preview") refuse(of_preview, action);
    if (action == "preview") refuse({"normalize", "holdout", "sheet"}, action);
    if (action == "info") refuse({"out", "normalize", "holdout", "sheet"}, action);
    if (action == "export") refuse({"normalize", "holdout"}, action);
    if (action == "pack")
      refuse({"data", "train-size", "test-size", "balanced", "normalize", "sheet"}, action);
  }

  int info() {
    refuse_other_options("info");
    const Stopwatch watch;
    const auto splits = data::load(data_, output_.seed());
    std::cout << std::left << std::setw(10) << "data" << data_.source << ", read in "
              << duration_text(watch.seconds()) << "\n";
    print_split("train", splits.train);
    print_split("test", splits.test);
    print_classes(splits);
    std::cout << "\nfound\n";
    for (const auto& found : data::found_sources()) {
      std::cout << "  " << std::left << std::setw(16) << found.source << found.dir << "\n";
    }
    return 0;
  }

  int preview() {
    const std::string path = output_.out.empty() ? "preview.png" : output_.out;
    const auto folder = std::filesystem::path(path).parent_path().string();
    check_writable(folder.empty() ? "." : folder);
    const auto splits = data::load(data_, output_.seed());
    std::vector<data::LabelledImages> groups;
    for (const auto& batch :
         train::preview_batches(splits.train, batch_, noise_, output_.seed(), output_.batches)) {
      const auto title = "step " + std::to_string(groups.size()) + ": " +
                         std::to_string(batch.num_flipped()) + " of " +
                         std::to_string(batch.labels.size()) + " labels flipped";
      std::cout << title << "\n";
      groups.push_back({title, batch.images, batch.labels, batch.seen});
    }
    if (!folder.empty()) make_folder(folder);
    data::write_labelled_sheet(path, groups, splits.train.classes);
    std::cout << "written: " << path << "\n";
    return 0;
  }

  int write_pictures() {
    const auto splits = data::load(data_, output_.seed());
    data::write_class_folders(output_.out + "/train", splits.train);
    data::write_class_folders(output_.out + "/test", splits.test);
    if (output_.sheet > 0) {
      data::write_contact_sheet(output_.out + "/train.png", splits.train, output_.sheet);
      data::write_contact_sheet(output_.out + "/test.png", splits.test, output_.sheet);
    }
    std::cout << splits.train.size() + splits.test.size() << " images written to " << output_.out
              << "\n";
    return 0;
  }

  int pack() {
    const Stopwatch watch;
    const auto splits = read_to_pack(data_, output_);
    const double read_seconds = watch.seconds();
    data::write_cifar10(output_.out, splits);
    const auto again = data::read_cifar10("pack", output_.out);
    UNLAZY_CHECK(is_same(again.train, splits.train) && is_same(again.test, splits.test),
                 "pack: ", output_.out,
                 " does not read back as it was written; is the disk sound?");
    std::cout << splits.train.size() << " training and " << splits.test.size() << " test images of "
              << splits.train.num_classes() << " classes packed into " << output_.out
              << " and read back: identical\n"
              << "decoding " << duration_text(read_seconds) << ", all "
              << duration_text(watch.seconds()) << "\n"
              << "use it with --data cifar10 --data-dir " << output_.out << "\n";
    return 0;
  }

  data::DataOptions data_;
  ExportOptions output_;
  data::BatchOptions batch_;
  noise::NoiseOptions noise_;
  Options options_{"data",
                   {describe(data_), describe(output_), describe(batch_), describe(noise_)}};
};

}  // namespace

std::unique_ptr<Command> make_data() { return std::make_unique<Data>(); }

}  // namespace unlazy::tools
