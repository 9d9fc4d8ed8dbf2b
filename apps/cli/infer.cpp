// mm-orch infer MODEL [TEXT...]: how likely each class of a classification head is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "command.h"
#include "exit_codes.h"
#include "json_output.h"
#include "model_options.h"
#include "terminal.h"
#include "text_lines.h"

namespace mm_orch::cli {
namespace {

struct InferCommand {
  ModelOptions model;
  InferOptions infer;
  std::vector<std::string> texts;
  std::optional<std::string> pair;
  bool json = false;
};

std::vector<double> softmax(const float* logits, size_t count) {
  const float highest = *std::max_element(logits, logits + count);
  std::vector<double> result;
  for (size_t i = 0; i < count; ++i) result.push_back(std::exp(double{logits[i]} - highest));
  const double total = std::accumulate(result.begin(), result.end(), 0.0);
  for (double& x : result) x /= total;
  return result;
}

std::vector<size_t> most_likely_first(const std::vector<double>& probabilities) {
  std::vector<size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, std::greater<>(), [&](size_t i) { return probabilities[i]; });
  return order;
}

int run(InferCommand options) {
  const auto texts = texts_or_input_lines(options.texts);
  if (options.pair) options.infer.pairs.assign(texts.size(), *options.pair);
  const auto manager = load_model(options.model);
  const auto result = manager->infer(options.model.model, texts, options.infer);
  const size_t width = result.labels.size();
  auto objects = nlohmann::ordered_json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    const float* logits = result.logits.data() + i * width;
    const auto probabilities = softmax(logits, width);
    nlohmann::ordered_json object = {{"text", texts[i]}};
    if (!options.json) print(texts[i] + "\n");
    for (const size_t label : most_likely_first(probabilities)) {
      const auto& name = result.labels[label];
      object["probabilities"][name] = probabilities[label];
      object["logits"][name] = logits[label];
      if (!options.json) print(fmt::format("  {:6.2f}%  {}\n", 100 * probabilities[label], name));
    }
    objects.push_back(std::move(object));
  }
  if (options.json) print_json(objects);
  flush();
  return kExitSuccess;
}

}  // namespace

Runner add_infer_command(CLI::App& app) {
  auto* command = app.add_subcommand("infer", "how likely each class of a text is");
  auto options = std::make_shared<InferCommand>();
  add_model_options(*command, options->model);
  command->add_option("TEXT", options->texts,
                      "the texts, one an argument (default: the lines of standard input)");
  command->add_option("--pair", options->pair, "the second text, for models that judge pairs")
      ->type_name("TEXT");
  command->add_flag("--truncate", options->infer.truncate,
                    "cut a text that is too long instead of refusing it");
  command->add_flag("--json", options->json, "print one JSON array, logits included");
  return [options] { return run(*options); };
}

}  // namespace mm_orch::cli
