// Continues a prompt: generate MODEL PROMPT
#include <iostream>

#include "mm_orch/model_manager.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: generate MODEL PROMPT\n";
    return 2;
  }
  try {
    mm_orch::ModelManager manager;
    manager.load_model(argv[1]);
    std::cout << manager.generate(argv[1], argv[2], {.max_new_tokens = 8}) << '\n';
  } catch (const mm_orch::MuAIError& error) {
    std::cerr << mm_orch::error_name(error.code()) << ": " << error.what() << '\n';
    return 1;
  }
}
