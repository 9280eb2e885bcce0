#include "synthetic/matrix_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"

namespace unlazy::synthetic {
namespace {

void check_finite(const Matrix& matrix, const std::string& path) {
  for (size_t i = 0; i < matrix.values.size(); ++i) {
    if (std::isfinite(matrix.values[i])) continue;
    const auto row = static_cast<int64_t>(i) / matrix.cols,
               col = static_cast<int64_t>(i) % matrix.cols;
    throw Error(internal::concat(path, ": row ", row + 1, ", column ", col + 1, " is ",
                                 number_text(matrix.values[i]), "; all numbers must be finite"));
  }
}

// --- .npy: "\x93NUMPY", major, minor, length of the header (2 bytes in version 1, else 4), a
// Python dict, the data ---

// The text after 'key': in the header.
std::string_view entry(std::string_view header, std::string_view key, const std::string& path) {
  const auto place = header.find("'" + std::string(key) + "':");
  UNLAZY_CHECK(place != std::string_view::npos, path, ": the .npy header has no '", key,
               "'; save it again with numpy.save");
  auto rest = header.substr(place + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return rest;
}

std::vector<int64_t> shape_of(std::string_view text, const std::string& path) {
  std::vector<int64_t> shape;
  const auto end = text.find(')');
  UNLAZY_CHECK(!text.empty() && text[0] == '(' && end != std::string_view::npos, path,
               ": the .npy shape cannot be read");
  for (size_t i = 1; i < end;) {
    int64_t size = 0;
    const auto [next, error] = std::from_chars(text.data() + i, text.data() + end, size);
    if (error != std::errc{}) break;
    UNLAZY_CHECK(size >= 1, path, ": holds no numbers (shape ", text.substr(0, end + 1), ")");
    shape.push_back(size);
    i = static_cast<size_t>(next - text.data());
    while (i < end && (text[i] == ',' || text[i] == ' ')) ++i;
  }
  UNLAZY_CHECK(shape.size() == 1 || shape.size() == 2, path,
               ": must have one or two dimensions, has shape ", text.substr(0, end + 1));
  return shape;
}

template <class T>
void append(std::vector<double>& values, const char* bytes, size_t count) {
  values.resize(count);
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
}

Matrix read_npy(const std::string& path) {
  const std::string file = read_file(path);
  UNLAZY_CHECK(file.size() >= 10 && file.compare(0, 6, "\x93NUMPY") == 0, path,
               ": is not a .npy file; save it with numpy.save");
  const auto byte = [&](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>(file[i]));
  };
  const size_t major = byte(6);
  UNLAZY_CHECK(major >= 1 && major <= 3, path, ": has .npy version ", major, ", known are 1 to 3");
  const size_t begin = major == 1 ? 10 : 12;
  UNLAZY_CHECK(file.size() >= begin, path, ": ends inside its header");
  size_t length = byte(8) | byte(9) << 8;
  if (major > 1) length |= byte(10) << 16 | byte(11) << 24;
  UNLAZY_CHECK(length <= file.size() - begin, path, ": ends inside its header");
  const auto header = std::string_view(file).substr(begin, length);

  const auto descr = entry(header, "descr", path).substr(0, 5);
  const bool is_double = descr == "'<f8'";
  UNLAZY_CHECK(is_double || descr == "'<f4'", path,
               ": must hold float32 or float64, little-endian, has dtype ", descr,
               "; save array.astype('float64')");
  UNLAZY_CHECK(entry(header, "fortran_order", path).substr(0, 5) == "False", path,
               ": is in Fortran order; save numpy.ascontiguousarray(array)");
  const auto shape = shape_of(entry(header, "shape", path), path);

  Matrix matrix{shape[0], shape.size() == 2 ? shape[1] : 1, {}};
  const size_t size = is_double ? 8 : 4, bytes = file.size() - begin - length;
  const auto count = static_cast<size_t>(matrix.rows) * static_cast<size_t>(matrix.cols);
  UNLAZY_CHECK(count / static_cast<size_t>(matrix.cols) == static_cast<size_t>(matrix.rows) &&
                   count <= bytes / size && count * size == bytes,
               path, ": has ", bytes, " bytes of numbers, expected ", matrix.rows, " x ",
               matrix.cols, " of ", size, " bytes");
  const char* data = file.data() + begin + length;
  is_double ? append<double>(matrix.values, data, count)
            : append<float>(matrix.values, data, count);
  return matrix;
}

// --- .csv ---

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

bool number_from(std::string_view text, double& value) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const auto comma = line.find(',');
    cells.push_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

// Names of columns: no cell is a number, or begins as one does ("1.O" is a number mistyped).
bool is_header(const std::vector<std::string_view>& cells) {
  return std::none_of(cells.begin(), cells.end(), [](std::string_view cell) {
    double value = 0;
    const auto first = cell.find_first_not_of("+-.");
    return number_from(cell, value) ||
           (first != std::string_view::npos && cell[first] >= '0' && cell[first] <= '9');
  });
}

Matrix read_csv(const std::string& path) {
  const std::string file = read_file(path);
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some programs begin UTF-8 with it
  Matrix matrix;
  int64_t number = 0, first = 0;
  bool may_be_header = true;
  std::string_view rest = file;
  if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const auto cells = cells_of(line);
    if (std::exchange(may_be_header, false) && is_header(cells)) continue;
    for (size_t i = 0; i < cells.size(); ++i) {
      UNLAZY_CHECK(number_from(cells[i], matrix.values.emplace_back()), path, ": line ", number,
                   ", column ", i + 1, " has '", cells[i], "', expected a number",
                   matrix.rows > 0 ? "" : " (a line of names holds no numbers)");
    }
    const auto count = static_cast<int64_t>(cells.size());
    if (matrix.rows == 0) {
      matrix.cols = count;
      first = number;
    }
    UNLAZY_CHECK(count == matrix.cols, path, ": line ", number, " has ", count,
                 " numbers, expected ", matrix.cols, " as in line ", first);
    ++matrix.rows;
  }
  UNLAZY_CHECK(matrix.rows > 0, path, ": holds no numbers");
  return matrix;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

Matrix read_matrix(const std::string& path) {
  UNLAZY_CHECK_USAGE(ends_with(path, ".npy") || ends_with(path, ".csv"), path,
                     ": must be a .npy or .csv file");
  auto matrix = ends_with(path, ".npy") ? read_npy(path) : read_csv(path);
  check_finite(matrix, path);
  return matrix;
}

}  // namespace unlazy::synthetic
