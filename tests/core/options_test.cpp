// Options: what a user may write, in which order it counts, and what is said when it is wrong.
#include "core/options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::expect_misuse;
using testing::ScratchFolder;
using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

// One option of every type, as a component would have them.
struct Values {
  double rate = 0;
  double lr = 0.1;
  double any = 2;
  int64_t batch = 128;
  bool flip = true;
  bool quiet = false;
  std::string kind = "none";
  std::string out;
  Step length = Step::epochs(160);
  std::vector<int64_t> seeds = {0, 1};
  std::vector<double> rates = {0.5};
  std::vector<std::string> names;
  std::vector<Step> milestones = {Step::epochs(80), Step::epochs(120)};
  Options options{
      "train",
      {{"Label noise",
        {{.name = "noise-rate",
          .target = &rate,
          .range = Range::closed(0, 1),
          .help = "Probability of a wrong label."},
         {.name = "noise",
          .target = &kind,
          .help = "Kind of noise.",
          .choices = {{"none", "labels as they are"},
                      {"flip", "another class"},
                      {"static", "drawn once"}}}}},
       {"Everything else",
        {{.name = "lr", .target = &lr, .range = Range::above(0), .help = "Learning rate."},
         {.name = "any", .target = &any, .help = "Any number."},
         {.name = "batch",
          .target = &batch,
          .range = Range::at_least(1),
          .unit = "images",
          .help = "Batch size."},
         {.name = "flip", .target = &flip, .help = "Mirror half of the images."},
         {.name = "quiet", .target = &quiet, .help = "Say less."},
         {.name = "out", .target = &out, .help = "Folder of the run."},
         {.name = "epochs", .target = &length, .help = "Length of training."},
         {.name = "seeds", .target = &seeds, .range = Range::closed(0, 9), .help = "Seeds."},
         {.name = "rates", .target = &rates, .range = Range::left_open(0, 1), .help = "Rates."},
         {.name = "names", .target = &names, .help = "Names."},
         {.name = "milestones",
          .target = &milestones,
          .help = "Where the learning rate drops."}}}}};

  Words parse(const Words& arguments) { return options.parse(arguments); }
  void read(const std::string& text) { options.read_json(Json::parse(text), "run.json"); }
};

TEST(Options, ReadsEveryTypeFromFlags) {
  Values v;
  const auto words = v.parse(
      {"info",         "--noise-rate", "0.25",         "--noise=flip", "--any",    "-1e-3",
       "--batch=64",   "--quiet",      "--flip=false", "--out",        "runs/a b", "--epochs",
       "2000it",       "--seeds",      "3,5",          "--rates",      "1,0.5",    "--names=a,b",
       "--milestones", "10it,0.5ep",   "more"});
  EXPECT_EQ(words, (Words{"info", "more"}));
  EXPECT_EQ(v.rate, 0.25);
  EXPECT_EQ(v.kind, "flip");
  EXPECT_EQ(v.any, -1e-3);
  EXPECT_EQ(v.batch, 64);
  EXPECT_TRUE(v.quiet);
  EXPECT_FALSE(v.flip);
  EXPECT_EQ(v.out, "runs/a b");
  EXPECT_EQ(v.length, Step::iterations(2000));
  EXPECT_EQ(v.seeds, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(v.rates, (std::vector<double>{1, 0.5}));
  EXPECT_EQ(v.names, (Words{"a", "b"}));
  EXPECT_EQ(v.milestones, (std::vector<Step>{Step::iterations(10), Step::epochs(0.5)}));
}

TEST(Options, ReadsEveryTypeFromJson) {
  Values v;
  v.read(
      R"({"config-version": 1, "command": "train", "about": {"anything": 1}, "noise-rate": 1, "noise": "static",
             "any": -2.5, "batch": 7, "flip": false, "quiet": true, "out": "x", "epochs": "0.5ep", "seeds": [9],
             "rates": [], "names": ["a,b", ""], "milestones": ["never"]})");
  EXPECT_EQ(v.rate, 1.0);
  EXPECT_EQ(v.kind, "static");
  EXPECT_EQ(v.any, -2.5);
  EXPECT_EQ(v.batch, 7);
  EXPECT_FALSE(v.flip);
  EXPECT_TRUE(v.quiet);
  EXPECT_EQ(v.out, "x");
  EXPECT_EQ(v.length, Step::epochs(0.5));
  EXPECT_EQ(v.seeds, (std::vector<int64_t>{9}));
  EXPECT_TRUE(v.rates.empty());
  EXPECT_EQ(v.names, (Words{"a,b", ""}));
  EXPECT_EQ(v.milestones, (std::vector<Step>{Step::never()}));
}

TEST(Options, FlagsWinOverFilesWhereverTheyStand) {
  const ScratchFolder scratch;
  write_file(scratch / "a.json", R"({"lr": 0.5, "batch": 32, "noise-rate": 0.1})");
  write_file(scratch / "b.json", R"({"batch": 16})");
  for (const auto& arguments :
       {Words{"--lr", "0.7", "--config", scratch / "a.json", "--config", scratch / "b.json"},
        Words{"--config=" + scratch / "a.json", "--lr=0.7", "--config", scratch / "b.json"}}) {
    Values v;
    v.parse(arguments);
    EXPECT_EQ(v.lr, 0.7);    // flag
    EXPECT_EQ(v.batch, 16);  // the later file
    EXPECT_EQ(v.rate, 0.1);  // the earlier file
    EXPECT_EQ(v.any, 2);     // default
    EXPECT_TRUE(v.options.is_given("lr") && v.options.is_given("batch") &&
                v.options.is_given("noise-rate"));
    EXPECT_FALSE(v.options.is_given("any"));
  }
}

TEST(Options, OfARepeatedFlagTheLastCounts) {
  Values v;
  v.parse({"--lr", "1", "--batch", "2", "--lr=3", "--flip=false", "--flip"});
  EXPECT_EQ(v.lr, 3);
  EXPECT_TRUE(v.flip);
}

TEST(Options, PrintedConfigurationReadsBackTheSame) {
  Values a;
  a.parse({"--noise-rate", "0.1", "--noise", "flip", "--any", "inf", "--quiet", "--out", "\"ü\\",
           "--epochs", "0.1ep", "--seeds", "", "--rates", "0.3,1e-300", "--names", "x,y",
           "--milestones", "never,1it"});
  Values b;
  b.read(a.options.to_json().dump(2));
  EXPECT_EQ(a.options.to_json().dump(), b.options.to_json().dump());
  EXPECT_EQ(b.rate, 0.1);
  EXPECT_TRUE(std::isinf(b.any));
  EXPECT_EQ(b.out, "\"ü\\");
  EXPECT_TRUE(b.seeds.empty());
}

TEST(Options, RefusesFlagsThatItDoesNotKnow) {
  Values v;
  expect_misuse(
      [&] {
        v.parse({"--noise-rat", "0.1"});
      },
      "train: there is no flag --noise-rat; did you mean --noise-rate?");
  expect_misuse([&] { v.parse({"--bacth=3"}); },
                "train: there is no flag --bacth; did you mean --batch?");
  expect_misuse([&] { v.parse({"--print-confg"}); },
                "train: there is no flag --print-confg; did you mean --print-config?");
  expect_misuse([&] { v.parse({"--frobnicate"}); },
                "train: there is no flag --frobnicate; see unlazy train --help");
  expect_misuse([&] { v.parse({"--no-flip"}); },
                "train: there is no flag --no-flip; write --flip=false");
  expect_misuse([&] { v.parse({"--no-batch"}); },
                "train: there is no flag --no-batch; see unlazy train --help");
  expect_misuse(
      [&] {
        v.parse({"-lr", "1"});
      },
      "train: flags begin with two dashes: --lr, not -lr");
  expect_misuse([&] { v.parse({"-x"}); }, "train: flags begin with two dashes: --x, not -x");
}

// The value of an option for its name.
TEST(Options, AValueIsNoFlag) {
  std::string scale, other;
  Options options(
      "draw",
      {OptionTable(
          "Draw",
          {{.name = "scale",
            .target = &scale,
            .choices = {{"quick", ""}, {"full", ""}},
            .is_common = true},
           {.name = "other", .target = &other, .choices = {{"full", ""}}, .is_common = true}})});
  expect_misuse([&] { options.parse({"--quick"}); },
                "draw: there is no flag --quick; did you mean --scale quick?");
  expect_misuse([&] { options.parse({"--full"}); },
                "draw: there is no flag --full; did you mean --scale full or --other full?");
}

TEST(Options, WordsOfOtherProgramsAreUnderstood) {
  Values v;
  expect_misuse([&] { v.parse({"--batch-size=3"}); },
                "train: there is no flag --batch-size; did you mean --batch?");
  expect_misuse([&] { v.parse({"--Learning_Rate=3"}); },
                "train: there is no flag --Learning_Rate; did you mean --lr?");
  expect_misuse([&] { v.parse({"--tau=3"}); },
                "train: there is no flag --tau; did you mean --noise-rate?");
  expect_misuse([&] { v.parse({"--NOISE_RATE=3"}); },
                "train: there is no flag --NOISE_RATE; did you mean --noise-rate?");
  // This command has no --weight-decay.
  expect_misuse([&] { v.parse({"--wd=3"}); },
                "train: there is no flag --wd; see unlazy train --help");
  expect_misuse([&] { v.read(R"({"batch_size": 1})"); },
                "run.json: there is no option \"batch_size\"; did you mean 'batch'?");
}

TEST(Options, ChoicesAreFoundWithoutRegardToCaseAndDashes) {
  Values v;
  v.parse({"--noise", "FLIP"});
  EXPECT_EQ(v.kind, "flip");
  v.read(R"({"noise": "Sta-tic"})");
  EXPECT_EQ(v.kind, "static");
  EXPECT_EQ(v.options.to_json().at("noise"), "static");
}

TEST(Options, NothingIsAChoiceOnlyWhereItIsTheDefault) {
  std::string preset;
  Options options("x", {{"A",
                         {{.name = "preset",
                           .target = &preset,
                           .help = "Preset.",
                           .choices = {{"fig2", "Figure 2"}}}}}});
  options.read_json(options.to_json(), "x.json");
  EXPECT_EQ(preset, "");
  Values v;
  expect_misuse([&] { v.parse({"--noise="}); },
                "--noise: there is no ''; known: none, flip, static");
}

TEST(Options, WordsMustBeText) {
  Values v;
  expect_misuse([&] { v.parse({"runs/\xff"}); },
                "train: a name must be UTF-8 text, got 'runs/\xff'; rename the file or folder");
}

TEST(Options, InfinityIsNoNumberWhereThereIsARange) {
  Values v;
  expect_misuse([&] { v.parse({"--lr", "inf"}); }, "--lr must be a finite number, got inf");
  v.parse({"--any", "inf"});
}

TEST(Options, LengthsHaveRanges) {
  Step every = Step::epochs(1), warmup = Step::iterations(0);
  Options options(
      "x", {{"A",
             {{.name = "every", .target = &every, .range = Range::above(0)},
              {.name = "warmup", .target = &warmup, .range = Range::closed(0, Step::kMost)}}}});
  expect_misuse([&] { options.parse({"--every", "0it"}); }, "--every must be > 0, got 0it");
  expect_misuse([&] { options.parse({"--every=0ep"}); }, "--every must be > 0, got 0ep");
  expect_misuse([&] { options.parse({"--warmup=never"}); },
                "--warmup must be in [0, 1e+12], got never");
  options.parse({"--every", "never", "--warmup", "0it"});
  EXPECT_TRUE(every.is_never());
}

TEST(Options, RefusesMissingValues) {
  Values v;
  expect_misuse(
      [&] {
        v.parse({"--batch", "3", "--lr"});
      },
      "--lr needs a value; see unlazy train --help");
  expect_misuse(
      [&] {
        v.parse({"--lr", "--batch", "3"});
      },
      "--lr needs a value, but '--batch' follows; see unlazy train --help");
  expect_misuse([&] { v.parse({"--lr="}); }, "--lr must be a number, got ''");
  expect_misuse([&] { v.parse({"--config"}); }, "--config needs a value; see unlazy train --help");
  expect_misuse(
      [&] {
        v.parse({"--flip", "false"});
      },
      "--flip takes its value with '=': --flip=false");
}

TEST(Options, RefusesBadValues) {
  Values v;
  expect_misuse(
      [&] {
        v.parse({"--noise-rate", "1.5"});
      },
      "--noise-rate must be in [0, 1], got 1.5");
  expect_misuse(
      [&] {
        v.parse({"--noise-rate", "-0.1"});
      },
      "--noise-rate must be in [0, 1], got -0.1");
  expect_misuse(
      [&] {
        v.parse({"--noise-rate", "nan"});
      },
      "--noise-rate must be in [0, 1], got nan");
  expect_misuse([&] { v.parse({"--any", "nan"}); }, "--any must be a number, got nan");
  expect_misuse([&] { v.parse({"--any", "1e"}); }, "--any must be a number, got '1e'");
  expect_misuse([&] { v.parse({"--any", "0,1"}); }, "--any must be a number, got '0,1'");
  expect_misuse([&] { v.parse({"--lr", "0"}); }, "--lr must be > 0, got 0");
  expect_misuse([&] { v.parse({"--batch", "0"}); }, "--batch must be >= 1, got 0");
  expect_misuse([&] { v.parse({"--batch", "1.5"}); }, "--batch must be a whole number, got '1.5'");
  expect_misuse(
      [&] {
        v.parse({"--batch", "99999999999999999999"});
      },
      "--batch must be a whole number, got '99999999999999999999'");
  expect_misuse([&] { v.parse({"--flip=yes"}); }, "--flip must be true or false, got 'yes'");
  expect_misuse(
      [&] {
        v.parse({"--noise", "flop"});
      },
      "--noise: there is no 'flop'; did you mean 'flip'?");
  expect_misuse(
      [&] {
        v.parse({"--noise", "gaussian"});
      },
      "--noise: there is no 'gaussian'; known: none, flip, static");
  expect_misuse([&] { v.parse({"--seeds", "1,10"}); }, "--seeds must be in [0, 9], got 10");
  expect_misuse([&] { v.parse({"--seeds", "1,,2"}); }, "--seeds must be a whole number, got ''");
  expect_misuse([&] { v.parse({"--seeds", "1,2,"}); }, "--seeds must be a whole number, got ''");
  expect_misuse([&] { v.parse({"--rates", "0"}); }, "--rates must be in (0, 1], got 0");
  expect_misuse(
      [&] {
        v.parse({"--epochs", "160"});
      },
      "--epochs must be a length such as 160ep (epochs), 2000it (iterations) or never, got '160'");
  expect_misuse([&] { v.parse({"--out", "\xff"}); }, "--out must be UTF-8 text, got '\xff'");
}

TEST(Options, RefusesBadConfigurations) {
  Values v;
  expect_misuse([&] { v.read("[1]"); }, "run.json: must be a JSON object");
  expect_misuse([&] { v.read(R"({"noise-rat": 0})"); },
                "run.json: there is no option \"noise-rat\"; did you mean 'noise-rate'?");
  expect_misuse([&] { v.read(R"({"noise-rate": 1.5})"); },
                "run.json: --noise-rate must be in [0, 1], got 1.5");
  expect_misuse([&] { v.read(R"({"lr": "0.1"})"); },
                "run.json: \"lr\" must be a number, got \"0.1\"");
  expect_misuse([&] { v.read(R"({"lr": true})"); }, "run.json: \"lr\" must be a number, got true");
  expect_misuse([&] { v.read(R"({"batch": 1.0})"); },
                "run.json: \"batch\" must be a whole number, got 1.0");
  expect_misuse([&] { v.read(R"({"flip": 1})"); },
                "run.json: \"flip\" must be true or false, got 1");
  expect_misuse([&] { v.read(R"({"epochs": 160})"); },
                "run.json: \"epochs\" must be a string, got 160");
  expect_misuse([&] { v.read(R"({"seeds": 1})"); }, "run.json: \"seeds\" must be an array, got 1");
  expect_misuse([&] { v.read(R"({"seeds": ["1"]})"); },
                "run.json: \"seeds\" must be a whole number, got \"1\"");
  expect_misuse([&] { v.read(R"({"noise": "flop"})"); },
                "run.json: --noise: there is no 'flop'; did you mean 'flip'?");
  expect_misuse(
      [&] { v.read(R"({"config-version": 2})"); },
      "run.json: has config-version 2, but this unlazy reads versions up to 1; use a newer unlazy");
  expect_misuse([&] { v.read(R"({"config-version": "1"})"); },
                "run.json: \"config-version\" must be a whole number >= 1, got \"1\"");
  expect_misuse([&] { v.read(R"({"command": "compare"})"); },
                "run.json: is for unlazy compare, not for unlazy train");
}

TEST(Options, RefusesBadFiles) {
  const ScratchFolder scratch;
  const std::string path = scratch / "run.json";
  Values v;
  const auto parse = [&] { v.parse({"--config", path}); };
  expect_misuse(parse, path + ": cannot be read: No such file or directory; is the path right?");
  const std::string look = "; look for a missing or extra comma, quote or bracket there";
  write_file(path, "{\n  \"lr\": 0.5,\n}\n");
  expect_misuse(parse, path + ": not valid JSON at line 3, column 1" + look);
  write_file(path, "{\"lr\": 0.5 \"batch\": 3}");
  expect_misuse(parse, path + ": not valid JSON at line 1, column 18" + look);
  write_file(path, "");
  expect_misuse(parse, path + ": not valid JSON at line 1, column 1" + look);
  write_file(path, R"({"lr": 0.5, "about": {"x": 1, "x": 2}, "lr": 0.6})");
  expect_misuse(parse, path + ": \"lr\" stands there twice");
  write_file(path, R"({"about": )" + std::string(100'000, '['));
  expect_misuse(parse, path + ": is nested more than 64 deep; a file of this program never is");
  expect_misuse(
      [&] {
        v.parse({"--config", scratch.path()});
      },
      scratch.path() + ": cannot be read: Is a directory; is the path right?");
}

TEST(Options, NothingIsAssignedWhenSomethingIsWrong) {
  const ScratchFolder scratch;
  write_file(scratch / "good.json",
             R"({"batch": 1, "seeds": [4], "milestones": [], "epochs": "1ep"})");
  write_file(scratch / "bad.json", R"({"lr": 7, "names": ["x"], "rates": [0.1, 2]})");
  Values v;
  v.parse({"--any", "3"});
  const std::string before = v.options.to_json().dump();
  const Words valid = {"--config", scratch / "good.json", "--flip=false", "--noise=flip", "--out=x",
                       "--lr=9"};
  for (const auto& wrong :
       {Words{"--batch=0"}, Words{"--seeds=1,x"}, Words{"--config", scratch / "bad.json"},
        Words{"--nose=flip"}, Words{"--lr"}}) {
    Words arguments = valid;
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    EXPECT_THROW(v.parse(arguments), Error);
    EXPECT_EQ(v.options.to_json().dump(), before);
    EXPECT_FALSE(v.options.is_given("lr") || v.options.is_given("batch") ||
                 v.options.is_given("noise"));
  }
  EXPECT_THROW(v.options.read_file(scratch / "bad.json"), Error);
  EXPECT_EQ(v.options.to_json().dump(), before);
  EXPECT_TRUE(v.options.is_given("any"));
  v.parse(valid);  // and without the wrong part all of it is
  EXPECT_EQ(v.lr, 9);
  EXPECT_EQ(v.batch, 1);
}

TEST(Options, HelpAndMarkdownHoldEveryRow) {
  Values v;
  const std::string help = v.options.help(), markdown = v.options.markdown();
  for (const auto& table : v.options.tables()) {
    EXPECT_NE(help.find("\n" + table.title() + "\n"), std::string::npos) << help;
    EXPECT_NE(markdown.find("### " + table.title() + "\n"), std::string::npos) << markdown;
    for (const auto& row : table.rows()) {
      EXPECT_NE(help.find("  --" + row.name + " "), std::string::npos) << row.name;
      EXPECT_NE(help.find(row.help), std::string::npos) << row.name;
      EXPECT_NE(markdown.find("| `--" + row.name + "` | " + row.help), std::string::npos)
          << row.name;
      for (const auto& choice : row.choices) {
        EXPECT_NE(help.find(choice.name), std::string::npos);
        EXPECT_NE(markdown.find("`" + choice.name + "`: " + choice.help), std::string::npos);
      }
    }
  }
  EXPECT_NE(help.find("  --batch N                   Batch size. (>= 1; images; default 128)\n"),
            std::string::npos)
      << help;
  EXPECT_NE(help.find("(default true; --flip=false turns it off)"), std::string::npos) << help;
  EXPECT_NE(markdown.find("| `--batch` | Batch size. | >= 1, images | `128` |\n"),
            std::string::npos)
      << markdown;
}

TEST(Options, DefaultsAreThoseOfTheTargets) {
  Values v;
  v.parse({"--milestones", "1it", "--flip=false"});
  const auto& rows = v.options.tables()[1].rows();
  EXPECT_EQ(rows.back().default_text, "80ep,120ep");
  EXPECT_EQ(value_text(rows.back()), "1it");
  EXPECT_EQ(rows[3].default_text, "true");
  EXPECT_EQ(value_text(rows[3]), "false");
}

TEST(Options, TwoRowsOfOneNameAreAProgrammingError) {
  double a = 0;
  const auto make = [&](const std::string& first, const std::string& second) {
    Options("x", {{"A", {{.name = first, .target = &a}}}, {"B", {{.name = second, .target = &a}}}});
  };
  EXPECT_NO_THROW(make("aa", "bb"));
  EXPECT_THROW(make("aa", "aa"), std::logic_error);
  EXPECT_THROW(make("aa", "config"), std::logic_error);
  EXPECT_THROW(make("aa", "b"), std::logic_error);
}

TEST(OptionRange, EdgesAndTexts) {
  EXPECT_TRUE(Range::closed(0, 1).contains(0) && Range::closed(0, 1).contains(1));
  EXPECT_FALSE(Range::closed(0, 1).contains(1.0000001) || Range::closed(0, 1).contains(-1e-9));
  EXPECT_FALSE(Range::above(0).contains(0));
  EXPECT_TRUE(Range::above(0).contains(5e-324) && Range::at_least(0).contains(0));
  EXPECT_FALSE(Range::left_open(0, 1).contains(0));
  EXPECT_TRUE(Range::left_open(0, 1).contains(1) && Range::any().contains(-1e300));
  EXPECT_FALSE(Range::any().contains(NAN) || Range::closed(0, 1).contains(NAN));
  EXPECT_FALSE(Range::right_open(0, 1).contains(1));
  EXPECT_TRUE(Range::right_open(0, 1).contains(0) && Range::right_open(0, 1).contains(0.999));
  EXPECT_EQ(Range::right_open(0, 1).text(), "in [0, 1)");
  EXPECT_EQ(Range::closed(0, 1).text(), "in [0, 1]");
  EXPECT_EQ(Range::left_open(0, 0.5).text(), "in (0, 0.5]");
  EXPECT_EQ(Range::at_least(-1).text(), ">= -1");
  EXPECT_EQ(Range::above(0).text(), "> 0");
  EXPECT_EQ((Range{.high = 3}.text()), "<= 3");
}

}  // namespace
}  // namespace unlazy
