// Files that a user brings, and the options: what is read and the exact texts of what is refused.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "synthetic/engine/problem.h"
#include "synthetic/matrix_file.h"
#include "synthetic/support.h"

namespace unlazy::synthetic {
namespace {

using unlazy::testing::expect_error;
using unlazy::testing::expect_misuse;
using unlazy::testing::run_program;
using unlazy::testing::ScratchFolder;

// A .npy file as NumPy writes it.
template <class T>
std::string npy(const std::string& dict, const std::vector<T>& values, char major = 1) {
  std::string file = "\x93NUMPY";
  file += major;
  file += '\0';
  const size_t length = dict.size() + 1;
  file += static_cast<char>(length % 256);
  file += static_cast<char>(length / 256);
  if (major > 1) file += std::string(2, '\0');
  file += dict + "\n";
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return file;
}

const char* kDoubles = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";

TEST(MatrixFile, ReadsNpyOfBothPrecisionsAndVersions) {
  const ScratchFolder scratch;
  const std::vector<double> values = {1, 2, 3, 4.5, -5, 6e-300};
  for (const char major : {1, 2}) {
    write_file(scratch / "x.npy", npy(kDoubles, values, major));
    const auto matrix = read_matrix(scratch / "x.npy");
    EXPECT_EQ(matrix.rows, 2);
    EXPECT_EQ(matrix.cols, 3);
    EXPECT_EQ(matrix.values, values);
  }
  write_file(scratch / "v.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                                    std::vector<float>{0.5, 3}));
  const auto vector = read_matrix(scratch / "v.npy");
  EXPECT_EQ(vector.rows, 2);
  EXPECT_EQ(vector.cols, 1);
  EXPECT_EQ(vector.values, (std::vector<double>{0.5, 3}));
}

TEST(MatrixFile, RefusesOtherNpy) {
  const ScratchFolder scratch;
  const std::string path = scratch / "x.npy";
  const std::vector<double> six(6);
  const auto refuse = [&](const std::string& file, const std::string& text) {
    write_file(path, file);
    expect_error([&] { read_matrix(path); }, path + ": " + text);
  };
  refuse("hello, world", "is not a .npy file; save it with numpy.save");
  refuse(
      npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }", six),
      "must hold float32 or float64, little-endian, has dtype '<i8'; save array.astype('float64')");
  refuse(npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", six),
         "is in Fortran order; save numpy.ascontiguousarray(array)");
  refuse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 1), }", six),
         "must have one or two dimensions, has shape (2, 3, 1)");
  refuse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", six),
         "holds no numbers (shape (0, 3))");
  refuse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 4), }", six),
         "has 48 bytes of numbers, expected 2 x 4 of 8 bytes");
  refuse(npy("{'fortran_order': False, 'shape': (2, 3), }", six),
         "the .npy header has no 'descr'; save it again with numpy.save");
  refuse(npy(kDoubles, six).substr(0, 30), "ends inside its header");
  refuse(npy(kDoubles, std::vector<double>{1, 2, 3, 4, std::nan(""), 6}),
         "row 2, column 2 is nan; all numbers must be finite");
}

TEST(MatrixFile, ReadsCsvWithAndWithoutHeader) {
  const ScratchFolder scratch;
  for (const char* head : {"", "x0,x1,x2\n", "# a comment\n\n"}) {
    write_file(scratch / "x.csv", std::string(head) + "1, 2.5,+3\r\n-4,5e-3, 6\n");
    const auto matrix = read_matrix(scratch / "x.csv");
    EXPECT_EQ(matrix.rows, 2);
    EXPECT_EQ(matrix.values, (std::vector<double>{1, 2.5, 3, -4, 0.005, 6}));
  }
}

TEST(MatrixFile, RefusesOtherCsv) {
  const ScratchFolder scratch;
  const std::string path = scratch / "x.csv";
  const auto refuse = [&](const std::string& file, const std::string& text) {
    write_file(path, file);
    expect_error([&] { read_matrix(path); }, path + ": " + text);
  };
  refuse("a,b\n1,2\n3\n", "line 3 has 1 numbers, expected 2 as in line 2");
  refuse("1,2\n3,x\n", "line 2, column 2 has 'x', expected a number");
  refuse("1,2\n3,\n", "line 2, column 2 has '', expected a number");
  refuse("1,2\n3,nan\n", "row 2, column 2 is nan; all numbers must be finite");
  refuse("1,-inf\n", "row 1, column 2 is -inf; all numbers must be finite");
  refuse("", "holds no numbers");
  expect_misuse([&] { read_matrix("x.txt"); }, "x.txt: must be a .npy or .csv file");
}

TEST(MatrixFile, AByteOrderMarkLosesNoRow) {
  const ScratchFolder scratch;
  for (const char* head : {"", "x0,x1\n"}) {
    write_file(scratch / "x.csv", "\xef\xbb\xbf" + std::string(head) + "1,2\n3,4\n");
    EXPECT_EQ(read_matrix(scratch / "x.csv").values, (std::vector<double>{1, 2, 3, 4}));
  }
}

TEST(MatrixFile, AMistypedFirstRowIsNoHeader) {
  const ScratchFolder scratch;
  const std::string path = scratch / "x.csv", advice = " (a line of names holds no numbers)";
  const auto refuse = [&](const std::string& file, const std::string& text) {
    write_file(path, file);
    expect_error([&] { read_matrix(path); }, path + ": " + text + advice);
  };
  refuse("1,x\n3,4\n", "line 1, column 2 has 'x', expected a number");
  refuse("# data\n,2\n3,4\n", "line 2, column 1 has '', expected a number");
  refuse("1.O\n2\n", "line 1, column 1 has '1.O', expected a number");
  refuse("-.5f,b\n2,3\n", "line 1, column 1 has '-.5f', expected a number");
}

TEST(SyntheticProblem, TeacherOfAnotherDimensionIsRefused) {
  const ScratchFolder scratch;
  write_file(scratch / "x.csv", "1,2\n3,4\n5,6\n");
  write_file(scratch / "t.csv", "1\n2\n3\n");
  write_file(scratch / "wide.csv", "1,2\n3,4\n");
  ModelOptions model;
  model.inputs = scratch / "x.csv";
  model.teacher = scratch / "t.csv";
  expect_error([&] { make_problem(model, 0); },
               model.teacher + ": theta* has 3 entries, but the inputs have dimension 2");
  model.teacher = scratch / "wide.csv";
  expect_error([&] { make_problem(model, 0); },
               model.teacher + ": theta* must be one row or one column, has 2 x 2");
}

TEST(SyntheticProblem, UsesTheFiles) {
  const ScratchFolder scratch;
  write_file(scratch / "x.csv", "1,2\n3,4\n5,6\n");
  write_file(scratch / "t.csv", "10,1\n");
  ModelOptions model;
  model.inputs = scratch / "x.csv";
  model.teacher = scratch / "t.csv";
  const auto problem = make_problem(model, 0);
  EXPECT_EQ(problem.n, 3);
  EXPECT_EQ(problem.targets, (std::vector<double>{12, 34, 56}));
  EXPECT_DOUBLE_EQ(problem.covariance[1], (2.0 + 12 + 30) / 3);
  EXPECT_DOUBLE_EQ(problem.mean_square(problem.teacher.data(), true), 0);
}

TEST(SyntheticProblem, SparseTeacherHasItsNormAndEntries) {
  ModelOptions model;
  model.teacher_nonzeros = 3;
  model.teacher_norm = 2.5;
  const auto problem = make_problem(model, 7);
  EXPECT_NEAR(problem.teacher_norm, 2.5, 1e-14);
  EXPECT_EQ(std::count_if(problem.teacher.begin(), problem.teacher.end(),
                          [](double x) { return x != 0; }),
            3);
  EXPECT_NE(make_problem(model, 8).teacher, problem.teacher);
  model.data_seed = 7;
  EXPECT_EQ(make_problem(model, 8).teacher, problem.teacher)
      << "--data-seed fixes the data for all seeds";
}

// An option that nothing would read is refused, by name.
TEST(SyntheticOptions, WhatAMethodDoesNotUseIsRefused) {
  const auto refuse = [](SyntheticOptions o, const std::string& text) {
    expect_misuse([&] { resolve(o); }, text);
  };
  auto o = testing::small_options("sgd", 10, 4);
  o.method.sigma = {1};
  refuse(o,
         "synthetic: method sgd does not use --sigma; use label-noise-sgd (with --batch-size for "
         "larger batches)");
  o = testing::small_options("label-noise-sgd", 10, 4);
  o.method.rho = {0.1};
  refuse(o, "synthetic: method label-noise-sgd does not use --rho; use sam");
  refuse(testing::small_options("gd", 10, 4, 2),
         "synthetic: method gd uses the whole training set; leave out --batch-size or use sgd");
  o = testing::small_options("oscillation", 10, 4);
  o.model.family = "diagonal";
  refuse(
      o,
      "synthetic: method oscillation is defined for the linear family only; use --family linear");
  o = testing::small_options("sgd", 10, 4);
  o.record.neurons = {10};
  refuse(o, "synthetic: --neurons must be < 10 (the number of neurons), got 10");
  o.record.neurons = {};
  o.record.snapshots = {5, 2000};
  refuse(o, "synthetic: --snapshots must be <= --steps (1000), got 2000");
  o = testing::small_options("sgd", 10, 4, 41);
  o.method.sampling = "without";
  resolve(o);
  expect_misuse([&] { make_rule(o, settings(o).front(), 40); },
                "synthetic: --batch-size 41 without replacement needs at least as many samples, "
                "got 40; lower it or use --sampling with");
}

TEST(SyntheticOptions, AFlagWithoutEffectIsRefused) {
  const auto refuse = [](const std::vector<std::string>& flags, const std::string& text) {
    SyntheticOptions o;
    Options table("synthetic", {describe(o.model), describe(o.method)});
    table.parse(flags);
    expect_misuse([&] { table.refuse_without_effect(); }, text);
  };
  const std::string linear = "; leave it out, or give --family linear";
  refuse({"--family", "diagonal", "--width", "5"},
         "--width 5 has no effect with --family diagonal" + linear);
  refuse({"--family", "diagonal", "--engine", "direct"},
         "--engine direct has no effect with --family diagonal" + linear);
  refuse({"--method", "gd", "--noise", "gaussian"},
         "--noise gaussian has no effect with --method gd; leave it out, or give --method "
         "label-noise-sgd, sam, periodic");
  refuse({"--period", "5"},
         "--period 5 has no effect with --method label-noise-sgd; leave it out, or give --method "
         "periodic");
}

TEST(SyntheticProgram, RefusesWrongFlags) {
  const auto message = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "synthetic");
    const auto result = run_program(arguments);
    EXPECT_EQ(result.exit_code, 2);
    return result.err;
  };
  EXPECT_EQ(message({"--sigma", "1,-4"}), "unlazy: --sigma must be >= 0, got -4\n");
  EXPECT_EQ(message({"--rho=-0.1"}), "unlazy: --rho must be >= 0, got -0.1\n");
  EXPECT_EQ(message({"--lr", "0"}), "unlazy: --lr must be > 0, got 0\n");
  EXPECT_EQ(message({"--preset", "fig22"}),
            "unlazy: --preset: there is no 'fig22'; did you mean 'fig2'?\n");
}

TEST(SyntheticProgram, DivergedRunNamesTheStepAndKeepsWhatWasRecorded) {
  const ScratchFolder scratch;
  const auto result = run_program({"synthetic", "--lr", "0.05", "--steps", "2000",
                                   "--figures=false", "--out", scratch / "run"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("unlazy: synthetic: lr 0.05, sigma 4, rho 0, seed 0 diverged at step "),
            std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("what was recorded is in " + scratch.path()), std::string::npos)
      << result.err;
  EXPECT_NE(read_file(scratch / "run/summary.json")
                .find("\"diverged\": [\n        {\n          \"seed\": 0"),
            std::string::npos);
  EXPECT_GT(read_file(scratch / "run/curves.csv").size(), 1000u);
  EXPECT_FALSE(std::filesystem::exists(scratch / "run/DONE"));
}

TEST(SyntheticProgram, WritesARunAndRepeatsItFromItsConfig) {
  const ScratchFolder scratch;
  const auto first = run_program({"synthetic", "--preset", "periodic", "--steps", "3000",
                                  "--records", "20", "--snapshots", "0,3000", "--num-seeds", "2",
                                  "--theory", "--figures=false", "--out", scratch / "a"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  for (const char* name : {"config.json", "curves.csv", "neurons.csv", "snapshots.csv",
                           "histogram.csv", "escape.csv", "summary.json", "theory.json", "DONE"}) {
    EXPECT_TRUE(std::filesystem::exists(scratch / (std::string("a/") + name))) << name;
  }
  const auto again =
      run_program({"synthetic", "--config", scratch / "a/config.json", "--out", scratch / "b"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(read_file(scratch / "a/curves.csv"), read_file(scratch / "b/curves.csv"));
  EXPECT_EQ(run_program({"synthetic", "--out", scratch / "a"}).err,
            "unlazy: " + scratch.path() +
                "/a: already holds a run; replace it with --overwrite, or choose another --out\n");
}

}  // namespace
}  // namespace unlazy::synthetic
