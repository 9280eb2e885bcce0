// Options that would silently do nothing, and those that must not be left out.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/options.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::expect_misuse;
using Words = std::vector<std::string>;

// A base optimizer, one around another, and what each reads.
struct Choice {
  std::string optimizer = "sgd", base = "sgd", noise = "none";
  double momentum = 0, eps = 1, rate = 0;
  bool augment = true;
  int64_t padding = 4;
  std::vector<double> rates;
  std::vector<int64_t> seeds = {0};
  Options options{
      "train",
      {{"All",
        {{.name = "optimizer", .target = &optimizer},
         {.name = "base", .target = &base, .only_for = {{"optimizer", {"sam"}}}},
         {.name = "momentum",
          .target = &momentum,
          .only_for = {{"optimizer", {"sgd"}}, {"base", {"sgd"}}}},
         {.name = "eps",
          .target = &eps,
          .only_for = {{"optimizer", {"adamw"}}, {"base", {"adamw"}}}},
         {.name = "noise", .target = &noise},
         {.name = "rate", .target = &rate, .only_for = {{"noise", {"flip"}}}, .is_needed = true},
         {.name = "augment", .target = &augment},
         {.name = "padding", .target = &padding, .only_for = {{"augment", {"true"}}}},
         {.name = "rates", .target = &rates},
         {.name = "seeds", .target = &seeds, .only_for = {{"rates", {}}}}}}}};

  void take(const Words& words) {
    options.parse(words);
    options.refuse_without_effect();
  }
};

void take(const Words& words) { Choice().take(words); }

TEST(OptionsEffect, AConditionCountsOnlyWhileItsOptionHasAnEffect) {
  take({"--momentum", "0.9"});
  take({"--optimizer", "sam", "--momentum", "0.9"});
  take({"--optimizer", "sam", "--base", "adamw", "--eps", "2"});
  // The base is sgd by default, but adamw has no base.
  expect_misuse(
      [] {
        take({"--optimizer", "adamw", "--momentum", "0.9"});
      },
      "--momentum 0.9 has no effect with --optimizer adamw; leave it out, or give "
      "--optimizer sgd or --base sgd");
  expect_misuse(
      [] {
        take({"--optimizer", "sam", "--base", "adamw", "--momentum", "0.9"});
      },
      "--momentum 0.9 has no effect with --base adamw; leave it out, or give "
      "--optimizer sgd or --base sgd");
  expect_misuse(
      [] {
        take({"--eps", "2"});
      },
      "--eps 2 has no effect with --optimizer sgd; leave it out, or give --optimizer "
      "adamw or --base adamw");
}

TEST(OptionsEffect, AFlagIsGivenAlsoWithTheValueOfTheDefault) {
  expect_misuse(
      [] {
        take({"--optimizer", "adamw", "--momentum", "0"});
      },
      "--momentum 0 has no effect with --optimizer adamw; leave it out, or give "
      "--optimizer sgd or --base sgd");
}

// A configuration that the program wrote holds every option.
TEST(OptionsEffect, AConfigurationGivesWhatDiffersFromTheDefault) {
  const testing::ScratchFolder scratch;
  write_file(scratch / "a.json", R"({"optimizer": "adamw", "momentum": 0.0})");
  take({"--config", scratch / "a.json"});
  take({"--config", scratch / "a.json", "--momentum", "0"});
  write_file(scratch / "b.json", R"({"optimizer": "adamw", "momentum": 0.5})");
  EXPECT_THROW(take({"--config", scratch / "b.json"}), Error);
  take({"--config", scratch / "b.json", "--momentum", "0"});
}

TEST(OptionsEffect, SwitchesAndEmptyOptionsAreNamedAsTheyAreWritten) {
  expect_misuse(
      [] {
        take({"--augment=false", "--padding", "2"});
      },
      "--padding 2 has no effect with --augment=false; leave it out, or give --augment");
  expect_misuse(
      [] {
        take({"--seeds", "0,1"});
      },
      "--seeds 0,1 has no effect without --rates; leave it out, or give --rates");
  take({"--rates", "0.1", "--seeds", "0,1"});
}

TEST(OptionsEffect, WhatIsNeededIsNotZeroSilently) {
  expect_misuse(
      [] {
        take({"--noise", "flip"});
      },
      "--noise flip needs --rate, such as --rate 0.1; give --rate 0 if you mean none");
  take({"--noise", "flip", "--rate", "0"});
  take({"--noise", "flip", "--rate", "0.1"});
  take({"--noise", "none"});
  Choice saved;
  saved.options.read_json(nlohmann::ordered_json{{"noise", "flip"}, {"rate", 0.0}}, "config.json");
  saved.take({});
  Choice preset;
  preset.rate = 0.1;  // what a command sets by default
  preset.take({"--noise", "flip"});
}

}  // namespace
}  // namespace unlazy
