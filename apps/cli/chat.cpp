// mm-orch chat MODEL: a conversation in the model's chat template. Lines come from a
// terminal or a pipe; each line is one message.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "command.h"
#include "exit_codes.h"
#include "generate.h"
#include "generation_options.h"
#include "model_options.h"
#include "terminal.h"

namespace mm_orch::cli {
namespace {

constexpr int64_t kDefaultAnswerTokens = 512;

constexpr const char* kHelp =
    "/help   this text\n"
    "/reset  forget the conversation, keep the system message\n"
    "/stats  how fast the answers came\n"
    "/exit   leave (Ctrl-D does the same)\n"
    "Ctrl-C stops an answer. Everything else is a message to the model.\n";

struct ChatOptions {
  ModelOptions model;
  GenerationOptions generation;
  std::optional<std::string> system;
};

class Conversation {
 public:
  explicit Conversation(const ChatOptions& options)
      : options_(options),
        manager_(load_model(options.model, options.generation.config.draft_model)) {
    reset();
  }

  void reset() {
    messages_.clear();
    if (options_.system) messages_.push_back({"system", *options_.system});
  }

  /// A line for the model, one for each backend that answered.
  std::string statistics() const {
    const auto usage = manager_->get_usage_stats().at(options_.model.model);
    auto text = fmt::format("answers: {}, tokens read: {}, tokens written: {}\n", usage.generations,
                            usage.prompt_tokens, usage.new_tokens);
    for (const auto& [backend, stats] : manager_->get_performance_stats())
      text += fmt::format(
          "{}: {:.1f} tokens/s, first token after {:.0f} ms, an answer in {:.2f} s (p95 {:.2f} "
          "s)\n",
          backend, stats.avg_throughput, stats.time_to_first_token_s * 1e3, stats.avg_latency_s,
          stats.p95_latency_s);
    return text;
  }

  /// True unless Ctrl-C stopped the answer. A message that fails is not kept.
  bool answer(const std::string& text) {
    messages_.push_back({"user", text});
    try {
      const auto tokens = chat_tokens(*manager_, options_.model.model, messages_);
      const Answer answer =
          generate_answer(*manager_, options_.model.model, tokens, config(tokens.size()), true);
      print("\n");
      flush();
      messages_.push_back({"assistant", answer.result.text});
      return !answer.interrupted;
    } catch (...) {
      messages_.pop_back();
      throw;
    }
  }

 private:
  GenerationConfig config(size_t prompt_length) const {
    GenerationConfig config = generation_config(options_.generation);
    if (!config.max_new_tokens && !config.max_length) {
      const int64_t context = manager_->get_model_info(options_.model.model).context_length;
      const int64_t room = context - static_cast<int64_t>(prompt_length);
      config.max_new_tokens = std::clamp<int64_t>(room, 1, kDefaultAnswerTokens);
    }
    return config;
  }

  const ChatOptions& options_;
  std::unique_ptr<ModelManager> manager_;
  std::vector<ChatMessage> messages_;
};

/// False at the end of the input.
bool read_line(bool interactive, std::string& line) {
  if (interactive) {
    print(styled(Style::kBold, "> "));
    flush();
  }
  const bool read = static_cast<bool>(std::getline(std::cin, line));
  if (!read && interactive) print("\n");
  return read;
}

/// Carries out a line that starts with "/". False if it asks to leave.
bool obey(const std::string& line, Conversation& conversation) {
  if (line == "/exit") return false;
  if (line == "/help") {
    print(kHelp);
  } else if (line == "/reset") {
    conversation.reset();
    note("The conversation is forgotten.");
  } else if (line == "/stats") {
    print(conversation.statistics());
  } else {
    note(fmt::format("mm-orch: unknown command {}; /help lists those there are", line));
  }
  return true;
}

int chat(const ChatOptions& options) {
  Conversation conversation(options);
  const bool interactive = stdin_is_terminal() && stdout_is_terminal();
  if (interactive)
    note(fmt::format("Chat with {}. /help lists the commands.", options.model.model));
  std::string line;
  while (read_line(interactive, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line.front() == '/') {
      if (!obey(line, conversation)) break;
      continue;
    }
    try {
      if (!conversation.answer(line) && !interactive) return kExitInterrupted;
    } catch (const InvalidInputError& error) {
      // A person can reset or rephrase; a script must hear of it.
      if (!interactive) throw;
      print_error(fmt::format("{} (/reset starts a new conversation)", error.what()));
    }
  }
  return kExitSuccess;
}

}  // namespace

Runner add_chat_command(CLI::App& app) {
  auto* command = app.add_subcommand("chat", "talk with a model, in its own chat template");
  auto options = std::make_shared<ChatOptions>();
  add_model_options(*command, options->model);
  command->add_option("--system", options->system, "system message")->type_name("TEXT");
  add_generation_options(*command, options->generation);
  return [options] { return chat(*options); };
}

}  // namespace mm_orch::cli
