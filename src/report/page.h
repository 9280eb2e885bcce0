// A page of results: one HTML file that needs neither network nor server. Its style and script are
// in report/page/, put into the program by cmake/Page.cmake; its data are JSON in the page.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace unlazy::report {

/// The page that shows `data`, whose members report/page/page.js names. `title` is plain text.
std::string html_page(const std::string& title, const nlohmann::ordered_json& data);

/// Numbers as base64 of little-endian floats, a third shorter than digits and quick to read.
std::string packed_floats(const std::vector<double>& values);
/// The same of 32 bit unsigned integers; what is outside their range is moved to its end.
std::string packed_counts(const std::vector<int64_t>& values);
/// Bytes as base64 (RFC 4648).
std::string base64(std::string_view bytes);

/// A PNG file as the text of a URL, made smaller than `most_width` pixels where it is wider. Empty
/// for a file that is no picture.
std::string picture_url(const std::string& file, int most_width);

/// The parts of the page, as the files in report/page/ hold them.
std::string_view page_frame();
std::string_view page_style();
std::string_view page_script();

}  // namespace unlazy::report
