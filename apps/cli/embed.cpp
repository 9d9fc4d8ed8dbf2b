// mm-orch embed MODEL [TEXT...]: the vector of each text, a line of JSON each.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command.h"
#include "exit_codes.h"
#include "model_options.h"
#include "terminal.h"
#include "text_lines.h"

namespace mm_orch::cli {
namespace {

struct EmbedCommand {
  ModelOptions model;
  EmbedOptions embed;
  std::vector<std::string> texts;
};

int run(const EmbedCommand& options) {
  const auto texts = texts_or_input_lines(options.texts);
  const auto manager = load_model(options.model);
  const auto embeddings = manager->embed(options.model.model, texts, options.embed);
  auto value = embeddings.values.begin();
  for (int64_t i = 0; i < embeddings.count; ++i, value += embeddings.size)
    print(nlohmann::json(std::vector<float>(value, value + embeddings.size)).dump() + "\n");
  flush();
  return kExitSuccess;
}

}  // namespace

Runner add_embed_command(CLI::App& app) {
  auto* command = app.add_subcommand("embed", "the vector of each text, one JSON array a line");
  auto options = std::make_shared<EmbedCommand>();
  add_model_options(*command, options->model);
  command->add_option("TEXT", options->texts,
                      "the texts, one an argument (default: the lines of standard input)");
  command->add_option("--pooling", options->embed.pooling, "mean or cls")
      ->capture_default_str()
      ->type_name("HOW");
  command->add_flag("--normalize", options->embed.normalize, "scale each vector to length 1");
  command->add_flag("--truncate", options->embed.truncate,
                    "cut a text that is too long instead of refusing it");
  return [options] { return run(*options); };
}

}  // namespace mm_orch::cli
