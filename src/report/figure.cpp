// The style of every picture: light grid, two thin borders, colours that colour-blind readers can
// tell apart (report/colors.h), title and legend above the axes where they cover no data, and long
// step axes in powers of ten.
#include "report/figure.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "report/axes.h"
#include "report/script.h"
#include "report/text.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;
constexpr const char* kOptionsTitle = "Figures";

// --- NAME.csv: a block a series, two empty lines between blocks (gnuplot's `index`) ---

std::string csv_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : one_line(text)) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

void check_series(const Figure& figure, const Series& s) {
  const auto fits = [&](const std::vector<double>& list) {
    return list.empty() || list.size() == s.x.size();
  };
  UNLAZY_CHECK(s.x.size() == s.y.size() && fits(s.low) && fits(s.high) && fits(s.shade) &&
                   fits(s.z) && s.low.empty() == s.high.empty(),
               "figure ", figure.name, ": series '", s.label, "' has lists of different lengths");
}

std::string csv_of(const Figure& figure) {
  std::ostringstream out;
  const bool has_z = std::any_of(figure.panels.begin(), figure.panels.end(), has_map);
  out << "panel,series,x,y,low,high,shade" << (has_z ? ",z\n" : "\n");
  for (const auto& panel : figure.panels) {
    for (const auto& s : panel.series) {
      check_series(figure, s);
      const std::string head = csv_text(panel.title) + "," + csv_text(s.label) + ",";
      for (size_t i = 0; i < s.x.size(); ++i) {
        if (!s.z.empty() && i > 0 && s.y[i] != s.y[i - 1]) out << "\n";  // gnuplot: a new row
        out << head << number_text(s.x[i]) << "," << number_text(s.y[i]) << ",";
        if (!s.low.empty())
          out << number_text(s.low[i]) << "," << number_text(s.high[i]);
        else
          out << ",";
        out << ",";
        if (!s.shade.empty()) out << number_text(s.shade[i]);
        if (has_z) out << (s.z.empty() ? "," : "," + number_text(s.z[i]));
        out << "\n";
      }
      if (s.x.empty()) out << head << "nan,nan,,," << (has_z ? ",\n" : "\n");
      out << "\n\n";
    }
  }
  return out.str();
}

}  // namespace

OptionTable describe(DrawOptions& options, const std::string& width) {
  return {kOptionsTitle,
          {{.name = width,
            .target = &options.width,
            .help = "For whom figures are drawn.",
            .choices = {{"screen", "as wide as their panels want"},
                        {"page", "the text width of a page, 178 mm: at most three panels a row"},
                        {"column", "a column of a paper, 85 mm: one panel a row"}},
            .role = Role::kPlace},
           {.name = "no-title",
            .target = &options.no_title,
            .help = "Draw figures without the line above the panels, because the caption says it.",
            .role = Role::kPlace}}};
}

std::vector<std::string> flags_of(const DrawOptions& options, const Options& all) {
  std::vector<std::string> flags;
  for (const auto& table : all.tables()) {
    if (table.title() != kOptionsTitle) continue;
    if (options.width != DrawOptions().width)
      flags.insert(flags.end(), {"--" + table.rows().at(0).name, options.width});
    if (options.no_title) flags.push_back("--" + table.rows().at(1).name);
  }
  return flags;
}

void write_figure(const std::string& folder, const Figure& figure, const DrawOptions& options) {
  UNLAZY_CHECK(!figure.panels.empty(), "figure ", figure.name, ": has no panels");
  // gnuplot reads '<COMMAND' and '|COMMAND' as a pipe, '-', '+' and '$' as other data.
  UNLAZY_CHECK(!figure.name.empty() && file_text(figure.name) == figure.name &&
                   std::string("<|-+$~@.").find(figure.name[0]) == std::string::npos,
               "figure: ", gnuplot_quoted(figure.name), " is no plain name of a file");
  fs::create_directories(folder);
  write_file(folder + "/" + figure.name + ".csv", csv_of(figure));
  write_file(folder + "/" + figure.name + ".gp", script_of(figure, options));
}

std::vector<std::string> empty_panels(const Figure& figure) {
  std::vector<std::string> titles;
  for (const auto& panel : figure.panels) {
    if (!has_any_points(panel)) titles.push_back(panel.title);
  }
  return titles;
}

std::vector<std::string> figure_files(const std::string& name) {
  return {name + ".csv", name + ".gp", name + ".svg", name + ".pdf", name + ".png"};
}

}  // namespace unlazy::report
