#include "download.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

#include "mm_orch/errors.h"
#include "terminal.h"

extern char** environ;

namespace mm_orch::cli {
namespace {

namespace fs = std::filesystem;

// Weights of other frameworks, which some repositories keep beside safetensors.
constexpr std::array kUnwanted = {"*.bin", "*.h5",     "*.msgpack", "*.onnx", "*.ot",
                                  "*.pth", "*.tflite", "*.pt",      "onnx/*", "coreml/*"};

class FileActions {
 public:
  explicit FileActions(int stdout_descriptor) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, stdout_descriptor, STDOUT_FILENO);
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
}

struct Outcome {
  int exit_code;
  std::string output;
};

Outcome run_program(std::vector<std::string> arguments) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw ModelNotFoundError(fmt::format("Cannot run {}: {}", arguments[0], std::strerror(errno)));
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const FileActions actions(ends[1]);
  pid_t child = 0;
  const int error = posix_spawn(&child, argv[0], actions.get(), nullptr, argv.data(), environ);
  close(ends[1]);
  std::string output = error == 0 ? read_all(ends[0]) : std::string();
  close(ends[0]);
  if (error != 0)
    throw ModelNotFoundError(fmt::format("Cannot run {}: {}", arguments[0], std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), std::move(output)};
}

// `hf` prints "  path: /cache/..." last, older ones the bare path.
fs::path last_path(const std::string& output) {
  std::istringstream lines(output);
  fs::path path;
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find('/');
    const size_t end = line.find_last_not_of(" \r\t");
    if (begin != std::string::npos && fs::is_directory(line.substr(begin, end + 1 - begin)))
      path = line.substr(begin, end + 1 - begin);
  }
  return path;
}

}  // namespace

std::string find_hf_command() {
  const char* variable = std::getenv("PATH");
  std::istringstream folders(variable ? variable : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto candidate = fs::path(folder) / "hf";
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate))
      return candidate.string();
  }
  return {};
}

fs::path download_with_hf(const std::string& repository) {
  const ErrorContext context{.model = repository};
  const auto command = find_hf_command();
  if (command.empty())
    throw ModelNotFoundError(
        fmt::format(
            "Model '{0}' is not on this machine, and the `hf` command that downloads is not "
            "on PATH. Run: pip install huggingface_hub && hf download {0}",
            repository),
        context);
  note(fmt::format("mm-orch: downloading {}", repository));
  std::vector<std::string> arguments = {command, "download", repository};
  for (const char* pattern : kUnwanted) {
    arguments.emplace_back("--exclude");
    arguments.emplace_back(pattern);
  }
  const auto [exit_code, output] = run_program(arguments);
  const auto folder = last_path(output);
  if (exit_code != 0 || folder.empty())
    throw ModelNotFoundError(
        fmt::format("`hf download {}` ended with exit code {}{}; its own message stands above",
                    repository, exit_code, exit_code == 0 ? " but named no folder" : ""),
        context);
  return folder;
}

}  // namespace mm_orch::cli
