#include "text_width.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace mm_orch::cli {
namespace {

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::string pad(const std::string& cell, size_t width, Align align) {
  const std::string spaces(width - text_width(cell), ' ');
  return align == Align::kRight ? spaces + cell : cell + spaces;
}

std::string join_row(const std::vector<Column>& columns, const std::vector<size_t>& widths,
                     const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < columns.size(); ++i)
    line += (i == 0 ? "" : "  ") + pad(cells[i], widths[i], columns[i].align);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

size_t text_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](char byte) { return !continues_character(byte); }));
}

std::string truncate_to_width(std::string_view text, size_t width) {
  size_t characters = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (continues_character(text[i])) continue;
    if (characters == width) return std::string(text.substr(0, i));
    ++characters;
  }
  return std::string(text);
}

std::string format_table(const std::vector<Column>& columns,
                         const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> header;
  std::vector<size_t> widths;
  for (const Column& column : columns) {
    header.push_back(column.header);
    widths.push_back(text_width(column.header));
  }
  for (const auto& row : rows)
    for (size_t i = 0; i < columns.size(); ++i)
      widths[i] = std::max(widths[i], text_width(row.at(i)));
  std::vector<std::string> rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');

  std::string table = join_row(columns, widths, header) + join_row(columns, widths, rule);
  for (const auto& row : rows) table += join_row(columns, widths, row);
  return table;
}

std::string format_bytes(uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{} {}", format_figure(value), kUnits[unit]);
}

std::string format_figure(double value) {
  if (!std::isfinite(value)) return "-";
  if (value == 0) return "0";
  // Of the rounded value: 0.9996 is 1.00.
  const double rounded = std::stod(fmt::format("{:.2e}", value));
  const int digits_before = static_cast<int>(std::floor(std::log10(std::abs(rounded)))) + 1;
  return fmt::format("{:.{}f}", value, std::clamp(3 - digits_before, 0, 6));
}

}  // namespace mm_orch::cli
