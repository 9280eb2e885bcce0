// Reads files of numbers that a user brings: .npy (NumPy's format, versions 1 to 3, float32 and
// float64, C order) and .csv.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unlazy::synthetic {

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<double> values;  // row-major
};

/// Reads a .npy file of one or two dimensions (a vector is one column), or a .csv file of numbers
/// whose first line may be a header. Throws Error naming file and place for anything else: other
/// dtypes, Fortran order, lines of different lengths, words, nan or inf.
Matrix read_matrix(const std::string& path);

}  // namespace unlazy::synthetic
