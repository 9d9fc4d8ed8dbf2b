// Widths and cuts of UTF-8 text, counted in characters, and the table built on them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mm_orch::cli {

/// Characters (code points) of UTF-8 text; a stray byte counts as one.
size_t text_width(std::string_view text);
/// The first `width` characters, never half a one.
std::string truncate_to_width(std::string_view text, size_t width);

enum class Align { kLeft, kRight };

struct Column {
  std::string header;
  Align align = Align::kLeft;
};

/// A header, a rule and the rows, two spaces between the columns.
/// @param rows  each with as many cells as there are columns.
std::string format_table(const std::vector<Column>& columns,
                         const std::vector<std::vector<std::string>>& rows);

/// "540 B", "1.1 MB", "3.29 GB": decimal units, three digits.
std::string format_bytes(uint64_t bytes);
/// Three significant digits without an exponent: "0.0123", "1.23", "123".
std::string format_figure(double value);

}  // namespace mm_orch::cli
