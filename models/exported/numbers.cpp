#include "models/exported/numbers.h"

#include <cmath>
#include <map>
#include <string>

#include "core/error.h"

namespace unlazy::models {
namespace {

using c10::IValue;
using Arguments = std::vector<IValue>;

bool is_whole(const IValue& value) { return value.isInt() || value.isBool(); }
int64_t whole(const IValue& value) { return value.isBool() ? value.toBool() : value.toInt(); }
double real(const IValue& value) {
  return is_whole(value) ? static_cast<double>(whole(value)) : value.toDouble();
}
bool truth(const IValue& value) { return real(value) != 0; }

const IValue& argument(const Arguments& arguments, size_t i) {
  UNLAZY_CHECK(i < arguments.size(), "a number is missing");
  return arguments[i];
}

// Whole numbers stay whole, and must fit.
template <class OfWhole, class OfReal>
IValue either(const Arguments& a, const OfWhole& of_whole, const OfReal& of_real) {
  const auto &left = argument(a, 0), &right = argument(a, 1);
  if (!is_whole(left) || !is_whole(right)) return of_real(real(left), real(right));
  int64_t result = 0;
  UNLAZY_CHECK(of_whole(whole(left), whole(right), &result), "a size is too large or undefined");
  return result;
}

IValue add(const Arguments& a) {
  return either(
      a, [](int64_t x, int64_t y, int64_t* z) { return !__builtin_add_overflow(x, y, z); },
      [](double x, double y) { return x + y; });
}
IValue subtract(const Arguments& a) {
  return either(
      a, [](int64_t x, int64_t y, int64_t* z) { return !__builtin_sub_overflow(x, y, z); },
      [](double x, double y) { return x - y; });
}
IValue multiply(const Arguments& a) {
  return either(
      a, [](int64_t x, int64_t y, int64_t* z) { return !__builtin_mul_overflow(x, y, z); },
      [](double x, double y) { return x * y; });
}

bool is_divisible(int64_t x, int64_t y) {
  return y != 0 && !(y == -1 && x == std::numeric_limits<int64_t>::min());
}
// Python rounds down; the remainder has the sign of the divisor.
IValue floor_divide(const Arguments& a) {
  return either(
      a,
      [](int64_t x, int64_t y, int64_t* z) {
        if (!is_divisible(x, y)) return false;
        *z = x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
        return true;
      },
      [](double x, double y) { return std::floor(x / y); });
}
IValue remainder(const Arguments& a) {
  return either(
      a,
      [](int64_t x, int64_t y, int64_t* z) {
        if (!is_divisible(x, y)) return false;
        *z = x % y;
        if (*z != 0 && (*z < 0) != (y < 0)) *z += y;
        return true;
      },
      [](double x, double y) { return x - y * std::floor(x / y); });
}
IValue power(const Arguments& a) {
  return either(
      a,
      [](int64_t x, int64_t y, int64_t* z) {
        *z = 1;
        if (y < 0 || y > 64) return false;
        for (int64_t i = 0; i < y; ++i) {
          if (__builtin_mul_overflow(*z, x, z)) return false;
        }
        return true;
      },
      [](double x, double y) { return std::pow(x, y); });
}
IValue shift_left(const Arguments& a) {
  return multiply({argument(a, 0), power({int64_t{2}, argument(a, 1)})});
}
IValue shift_right(const Arguments& a) {
  return floor_divide({argument(a, 0), power({int64_t{2}, argument(a, 1)})});
}
IValue largest(const Arguments& a) {
  return truth(IValue(real(argument(a, 0)) < real(argument(a, 1)))) ? a[1] : a[0];
}
IValue smallest(const Arguments& a) {
  return truth(IValue(real(argument(a, 1)) < real(argument(a, 0)))) ? a[1] : a[0];
}
IValue truncate(const Arguments& a) {
  const auto& value = argument(a, 0);
  if (is_whole(value)) return whole(value);
  UNLAZY_CHECK(std::abs(real(value)) < 9e18, "a size is too large");
  return static_cast<int64_t>(real(value));
}
// An entry of an operator's list of results.
IValue entry(const Arguments& a) {
  const auto i = whole(argument(a, 1));
  UNLAZY_CHECK(argument(a, 0).isTensorList(), "getitem: not a list of tensors");
  const auto list = a[0].toTensorVector();
  UNLAZY_CHECK(i >= 0 && i < static_cast<int64_t>(list.size()), "getitem: no entry ", i);
  return list[static_cast<size_t>(i)];
}

const std::map<std::string_view, NumberFunction>& functions() {
  static const std::map<std::string_view, NumberFunction> all = {
      {"_operator.add", add},
      {"_operator.sub", subtract},
      {"_operator.mul", multiply},
      {"_operator.floordiv", floor_divide},
      {"_operator.mod", remainder},
      {"_operator.pow", power},
      {"_operator.lshift", shift_left},
      {"_operator.rshift", shift_right},
      {"_operator.getitem", entry},
      {"_operator.truediv",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) / real(argument(a, 1))); }},
      {"_operator.neg",
       [](const Arguments& a) {
         return subtract({int64_t{0}, argument(a, 0)});
       }},
      {"_operator.pos", [](const Arguments& a) { return argument(a, 0); }},
      {"_operator.eq",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) == real(argument(a, 1))); }},
      {"_operator.ne",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) != real(argument(a, 1))); }},
      {"_operator.le",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) <= real(argument(a, 1))); }},
      {"_operator.ge",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) >= real(argument(a, 1))); }},
      {"_operator.lt",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) < real(argument(a, 1))); }},
      {"_operator.gt",
       [](const Arguments& a) { return IValue(real(argument(a, 0)) > real(argument(a, 1))); }},
      {"_operator.and_",
       [](const Arguments& a) { return IValue(truth(argument(a, 0)) && truth(argument(a, 1))); }},
      {"_operator.or_",
       [](const Arguments& a) { return IValue(truth(argument(a, 0)) || truth(argument(a, 1))); }},
      {"math.trunc", truncate},
      {"torch.sym_int", truncate},
      {"torch.sym_float", [](const Arguments& a) { return IValue(real(argument(a, 0))); }},
      {"torch.sym_not", [](const Arguments& a) { return IValue(!truth(argument(a, 0))); }},
      {"torch.sym_ite",
       [](const Arguments& a) { return truth(argument(a, 0)) ? argument(a, 1) : argument(a, 2); }},
      {"torch.sym_max", largest},
      {"torch.sym_min", smallest},
      {"torch._sym_sqrt",
       [](const Arguments& a) { return IValue(std::sqrt(real(argument(a, 0)))); }},
      {"torch.sym_sqrt",
       [](const Arguments& a) { return IValue(std::sqrt(real(argument(a, 0)))); }},
  };
  return all;
}

}  // namespace

NumberFunction number_function(std::string_view target) {
  const auto found = functions().find(target);
  return found == functions().end() ? nullptr : found->second;
}

}  // namespace unlazy::models
