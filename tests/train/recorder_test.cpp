// metrics.csv and TensorBoard's events over checkpoints, kills and losses of power.
#include "train/recorder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "report/events.h"
#include "report/metrics.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class RecorderTest : public ::testing::Test {
 protected:
  RecorderTest() : run_(scratch_ / "run", RunDir::Mode::kNew) {}

  // Two rows at each step; the state after step 2 of 4.
  void record() {
    Recorder recorder(run_, 10, 0.5);
    for (int64_t step = 0; step <= 4; ++step) {
      recorder.add(step, "test_loss", 1.0 / static_cast<double>(1 + step));
      if (step != 2) continue;
      state_ = recorder.state();
      metrics_ = read_file(run_.file("metrics.csv"));
      events_ = read_file(events_path_);
    }
    recorder.flush();
  }
  void restore() {
    Recorder recorder(run_, 10, 0.5);
    recorder.restore(state_, 2, [&](const std::string& text) { notes_.push_back(text); });
    recorder.add(3, "test_loss", 0.25);
    recorder.flush();
  }
  std::string metrics() const { return read_file(run_.file("metrics.csv")); }

  testing::ScratchFolder scratch_;
  RunDir run_;
  std::string events_path_ = run_.file("events.out.tfevents.0.unlazy");
  Json state_;
  std::string metrics_, events_;
  std::vector<std::string> notes_;
};

TEST_F(RecorderTest, RowsAfterTheCheckpointAreCutOff) {
  record();
  const std::string whole = metrics();
  restore();
  EXPECT_TRUE(notes_.empty());
  EXPECT_TRUE(whole.starts_with(metrics()));
  EXPECT_NE(metrics().find("3,0.3,test_loss_ema,"), std::string::npos);
  EXPECT_EQ(metrics().find("\n4,"), std::string::npos);
}

// What a loss of power leaves: files shorter than the checkpoint says, cut anywhere.
TEST_F(RecorderTest, ShorterFilesGoOnFromTheRowsThatAreThere) {
  record();
  for (const size_t bytes : {size_t{0}, size_t{7}, size_t{22}, size_t{30}, metrics_.size() - 1}) {
    SCOPED_TRACE(bytes);
    write_file(run_.file("metrics.csv"), metrics_.substr(0, bytes));
    write_file(events_path_, events_.substr(0, std::min(bytes, events_.size())));
    notes_.clear();
    restore();
    EXPECT_EQ(notes_.size(), 2u);
    const auto curves = report::read_metrics(run_.path());
    EXPECT_EQ(curves.at("test_loss").steps.back(), 3);
    EXPECT_EQ(report::whole_events(events_path_, 1 << 20), fs::file_size(events_path_));
  }
}

TEST_F(RecorderTest, ADeletedEventFileIsBegunAnew) {
  record();
  fs::remove(events_path_);
  restore();
  EXPECT_EQ(notes_.size(), 1u);
  EXPECT_GT(fs::file_size(events_path_), 0u);
}

// A length that points into the middle of a row, or at fewer rows, must not cut what is good.
TEST_F(RecorderTest, AWrongLengthIsNotBelieved) {
  record();
  for (const size_t wrong : {size_t{40}, metrics_.size() - 3, size_t{100000}}) {
    state_["metrics-bytes"] = wrong;
    restore();
    EXPECT_TRUE(metrics().starts_with(metrics_)) << wrong;
  }
}

TEST_F(RecorderTest, ASumThatIsNotANumberSurvives) {
  {
    Recorder recorder(run_, 10, 0.5);
    recorder.add(2, "test_loss", std::nan(""));
    state_ = Json::parse(recorder.state().dump());
  }
  restore();
  EXPECT_NE(metrics().find("test_loss_ema,nan"), std::string::npos);
  state_["smoothed"]["test_loss"] = {nullptr, 0.5};  // as version 0.1.0 wrote it
  restore();
}

TEST_F(RecorderTest, AFolderInPlaceOfAFileIsNamed) {
  fs::create_directory(run_.file("metrics.csv"));
  testing::expect_error([&] { Recorder(run_, 10, 0); },
                        run_.file("metrics.csv") +
                            ": cannot be opened for writing: Is a directory; is it a folder, or "
                            "may it not be written to?");
}

}  // namespace
}  // namespace unlazy::train
