// What every kind of label noise must hold; a new line in the registry is tested with no further
// line here.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "noise/label_noise.h"

namespace unlazy::noise {
namespace {

constexpr int64_t kClasses = 10;  // fits all kinds

std::unique_ptr<LabelNoise> make(const std::string& kind, double size, uint64_t seed = 3) {
  NoiseContext context;
  context.options.kind = kind;
  context.num_classes = kClasses;
  context.seed = seed;
  // Which of the two a kind takes is known when it is built.
  const bool is_for_targets = make_noise(context)->is_for_targets();
  if (kind != "none") (is_for_targets ? context.options.sigma : context.options.rate) = size;
  return make_noise(context);
}

struct Batch {
  std::vector<int64_t> indices, labels;
};
Batch batch(int64_t size) {
  Batch made{std::vector<int64_t>(static_cast<size_t>(size)),
             std::vector<int64_t>(static_cast<size_t>(size))};
  std::iota(made.indices.begin(), made.indices.end(), 100);
  for (size_t b = 0; b < made.labels.size(); ++b)
    made.labels[b] = static_cast<int64_t>(b * 7 % kClasses);
  return made;
}

// What comes out, class labels or targets, as numbers to compare.
std::vector<double> output(const LabelNoise& noise, double factor, uint64_t step,
                           int64_t size = 500) {
  const auto given = batch(size);
  Rng rng(3, Stream::kNoise, step);
  if (noise.is_for_targets()) {
    std::vector<float> targets(given.labels.begin(), given.labels.end());
    noise.targets(factor, rng, targets);
    return {targets.begin(), targets.end()};
  }
  std::vector<int64_t> noisy(given.labels.size(), -1);
  noise.labels(given.indices, given.labels, factor, rng, noisy);
  return {noisy.begin(), noisy.end()};
}

std::vector<double> clean(int64_t size = 500) {
  const auto given = batch(size);
  return {given.labels.begin(), given.labels.end()};
}

class NoiseConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(NoiseConformance, RateZeroReturnsTheLabels) {
  EXPECT_EQ(output(*make(GetParam(), 0), 1, 0), clean());
  EXPECT_EQ(output(*make(GetParam(), .7), 0, 0), clean()) << "factor 0";
}

TEST_P(NoiseConformance, IsAFunctionOfItsArguments) {
  const auto first = output(*make(GetParam(), .5), 1, 17);
  EXPECT_EQ(output(*make(GetParam(), .5), 1, 17), first);
  const auto noise = make(GetParam(), .5);
  output(*noise, 1, 18);
  EXPECT_EQ(output(*noise, 1, 17), first) << "a call left something behind";
}

TEST_P(NoiseConformance, DoesSomethingUnlessNone) {
  EXPECT_EQ(output(*make(GetParam(), .5), 1, 0) != clean(), GetParam() != "none");
}

TEST_P(NoiseConformance, FactorScalesTheRate) {
  EXPECT_EQ(output(*make(GetParam(), .25), 1, 5), output(*make(GetParam(), .5), .5, 5));
}

TEST_P(NoiseConformance, LabelsStayInRange) {
  const auto noise = make(GetParam(), 1);
  if (noise->is_for_targets()) return;  // acts on targets
  for (const double label : output(*noise, 1, 0, 5000)) {
    EXPECT_GE(label, 0);
    EXPECT_LT(label, kClasses);
  }
}

TEST_P(NoiseConformance, MayWriteInPlace) {
  const auto noise = make(GetParam(), .5);
  if (noise->is_for_targets()) return;  // always in place
  auto given = batch(500);
  Rng rng(3, Stream::kNoise, 4);
  noise->labels(given.indices, given.labels, 1, rng, given.labels);
  EXPECT_EQ(std::vector<double>(given.labels.begin(), given.labels.end()), output(*noise, 1, 4));
}

TEST_P(NoiseConformance, EmptyBatch) {
  EXPECT_TRUE(output(*make(GetParam(), .5), 1, 0, 0).empty());
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const auto& entry : registry().entries()) names.push_back(entry.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, NoiseConformance, ::testing::ValuesIn(kinds()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// A kind's file is called like the kind, and every file of the folder has its line.
TEST(NoiseRegistry, EveryFileHasALine) {
  const std::set<std::string> others = {"label_noise", "schedule", "registry"};
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(UNLAZY_SOURCE_DIR "/src/noise")) {
    std::string stem = entry.path().stem();
    if (entry.path().extension() != ".cpp" || others.contains(stem)) continue;
    std::replace(stem.begin(), stem.end(), '_', '-');
    files.insert(stem);
  }
  const auto names = kinds();
  EXPECT_EQ(files, std::set<std::string>(names.begin(), names.end()));
}

}  // namespace
}  // namespace unlazy::noise
