#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "text_width.h"

namespace mm_orch::cli {
namespace {

constexpr const char* kClearLine = "\r\033[K";
bool quiet_output = false;
std::atomic<bool> line_open{false};  // a status or bar stands on stderr's last line

bool is_terminal(int descriptor) {
  const char* term = std::getenv("TERM");
  return isatty(descriptor) != 0 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

bool no_color() {
  const char* value = std::getenv("NO_COLOR");
  return value != nullptr && *value != '\0';
}

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

void check_stdout(bool written) {
  if (written) return;
  throw OutputError(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

const char* style_code(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\033[1m";
    case Style::kDim:
      return "\033[2m";
    case Style::kRed:
      return "\033[31m";
    case Style::kGreen:
      return "\033[32m";
    case Style::kYellow:
      return "\033[33m";
  }
  return "";
}

void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void close_line() {
  if (line_open) write_stderr(kClearLine);
  line_open = false;
}

}  // namespace

bool stdout_is_terminal() { return is_terminal(STDOUT_FILENO); }
bool stderr_is_terminal() { return is_terminal(STDERR_FILENO); }
bool stdin_is_terminal() { return isatty(STDIN_FILENO) != 0; }

std::string styled(Style style, std::string_view text) {
  if (style == Style::kPlain || no_color() || !stdout_is_terminal()) return std::string(text);
  return fmt::format("{}{}\033[0m", style_code(style), text);
}

void print(std::string_view text) {
  check_stdout(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void flush() { check_stdout(std::fflush(stdout) == 0); }

void print_error(std::string_view text) {
  std::string line = fmt::format("mm-orch: {}", text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  write_stderr((line_open ? kClearLine : "") + line + "\n");
  line_open = false;
}

void set_quiet(bool quiet) { quiet_output = quiet; }

void note(std::string_view text) {
  if (!quiet_output) write_stderr(fmt::format("{}\n", text));
}

StatusLine::StatusLine(std::string_view text) : shown_(stderr_is_terminal() && !quiet_output) {
  if (!shown_) return;
  write_stderr(text);
  line_open = true;
}

StatusLine::~StatusLine() {
  if (shown_) close_line();
}

Progress::Progress(std::string title) : title_(std::move(title)), bar_(stderr_is_terminal()) {}

Progress::~Progress() {
  if (drawn_) close_line();
}

void Progress::update(int64_t done, int64_t total, const std::string& what) {
  if (quiet_output || total <= 0) return;
  const int64_t percent = std::clamp<int64_t>(done * 100 / total, 0, 100);
  if (bar_) {
    draw_bar(percent, what);
  } else if (percent / 10 != printed_tenth_) {
    printed_tenth_ = percent / 10;
    write_stderr(fmt::format("{}: {}%\n", title_, percent));
  }
}

void Progress::draw_bar(int64_t percent, const std::string& what) {
  constexpr auto kRedraw = std::chrono::milliseconds(50);
  const auto now = std::chrono::steady_clock::now();
  if (drawn_ && percent < 100 && now - last_draw_ < kRedraw) return;
  last_draw_ = now;
  drawn_ = true;
  line_open = true;
  constexpr int64_t kCells = 30;
  const auto full = static_cast<size_t>(percent * kCells / 100);
  const std::string bar = std::string(full, '#') + std::string(kCells - full, '-');
  const std::string line = fmt::format("[{}] {:3}% {}: {}", bar, percent, title_, what);
  write_stderr(kClearLine + truncate_to_width(line, terminal_width() - 1));
}

}  // namespace mm_orch::cli
