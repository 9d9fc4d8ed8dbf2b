// What the shell command writes: answers and tables to stdout, everything else to
// stderr. Knows whether a person is looking (tty, NO_COLOR, TERM=dumb).
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mm_orch::cli {

/// Standard output cannot take what was written (a full disk, a closed descriptor).
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Stdout is a terminal that understands cursor movements.
bool stdout_is_terminal();
bool stderr_is_terminal();
bool stdin_is_terminal();

enum class Style { kPlain, kBold, kDim, kRed, kGreen, kYellow };
/// `text` in a colour, if stdout is a terminal and NO_COLOR is not set.
std::string styled(Style style, std::string_view text);

/// @throws OutputError
void print(std::string_view text);
void flush();

/// One line on stderr, "mm-orch: <text>"; line breaks inside become spaces.
void print_error(std::string_view text);

/// Silences note(), StatusLine and Progress.
void set_quiet(bool quiet);
/// A line on stderr that --quiet drops.
void note(std::string_view text);

/// "Loading gpt2 ..." on a terminal's stderr, gone when the object goes.
class StatusLine {
 public:
  explicit StatusLine(std::string_view text);
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

 private:
  bool shown_;
};

/// Progress of long work on stderr: a bar on a terminal, a line per tenth elsewhere.
class Progress {
 public:
  explicit Progress(std::string title);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done, int64_t total, const std::string& what);

 private:
  void draw_bar(int64_t percent, const std::string& what);

  std::string title_;
  bool bar_;
  bool drawn_ = false;
  int64_t printed_tenth_ = -1;
  std::chrono::steady_clock::time_point last_draw_{};
};

}  // namespace mm_orch::cli
