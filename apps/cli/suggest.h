// "Did you mean": the nearest known word, by edits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mm_orch::cli {

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
/// Source: optimal string alignment distance, Damerau 1964.
size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `known`, if it is near enough to be a slip of the fingers; else empty.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace mm_orch::cli
