#include "report/page.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>

#include "core/files.h"
#include "report/text.h"

namespace unlazy::report {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers of the page are little-endian");

template <class Number>
std::string base64_of(const std::vector<Number>& numbers) {
  return base64({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)});
}

std::string for_html(const std::string& text) {
  std::string out;
  for (const char c : one_line(text)) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return out;
}

// JSON within a script element: nothing in it may end the element or begin a comment.
std::string for_script(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

// Puts `part` in the place of the only `mark` in `page`.
void put(std::string& page, std::string_view mark, std::string_view part) {
  const auto at = page.find(mark);
  if (at == std::string::npos) throw std::logic_error("the page lacks " + std::string(mark));
  page.replace(at, mark.size(), part);
}

}  // namespace

std::string html_page(const std::string& title, const nlohmann::ordered_json& data) {
  using Json = nlohmann::ordered_json;
  std::string page(page_frame());
  put(page, "/*style*/", page_style());
  put(page, "/*script*/", page_script());
  // What comes from outside last, as it may hold any mark; but no "<" is left in the data.
  put(page, "/*data*/", for_script(data.dump(-1, ' ', false, Json::error_handler_t::replace)));
  put(page, "<!--title-->", for_html(title));
  return page;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t k) {
      return k < bytes.size() ? static_cast<uint32_t>(static_cast<unsigned char>(bytes[k])) : 0u;
    };
    const uint32_t block = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (size_t digit = 0; digit < 4; ++digit) {
      const bool is_there = i + digit < bytes.size() + 1;
      text += is_there ? kDigits[block >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return text;
}

std::string packed_floats(const std::vector<double>& values) {
  return base64_of(std::vector<float>(values.begin(), values.end()));
}

std::string packed_counts(const std::vector<int64_t>& values) {
  std::vector<uint32_t> counts;
  counts.reserve(values.size());
  for (const int64_t value : values)
    counts.push_back(
        static_cast<uint32_t>(std::clamp<int64_t>(value, 0, std::numeric_limits<uint32_t>::max())));
  return base64_of(counts);
}

std::string picture_url(const std::string& file, int most_width) {
  const std::string bytes = read_file(file);
  const std::vector<unsigned char> buffer(bytes.begin(), bytes.end());
  auto image = buffer.empty() ? cv::Mat() : cv::imdecode(buffer, cv::IMREAD_COLOR);
  if (image.empty()) return {};
  const std::string head = "data:image/png;base64,";
  if (image.cols <= most_width) return head + base64(bytes);
  cv::Mat small;
  const int height = std::max(1, image.rows * most_width / image.cols);
  cv::resize(image, small, cv::Size(most_width, height), 0, 0, cv::INTER_AREA);
  std::vector<unsigned char> encoded;
  cv::imencode(".png", small, encoded, {cv::IMWRITE_PNG_COMPRESSION, 9});
  return head + base64({reinterpret_cast<const char*>(encoded.data()), encoded.size()});
}

}  // namespace unlazy::report
