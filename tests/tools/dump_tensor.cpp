// dump_tensor <folder or file> <tensor> <output>: writes a tensor as raw float32, for
// comparisons with other readers. Without arguments after the path, prints one line a
// tensor: name, type, shape. With --config after it, prints config.json's equivalent.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string_view>

#include "weights/model_source.h"

namespace {

void list_tensors(const mm_orch::weights::ModelSource& source) {
  for (const auto& name : source.tensor_names()) {
    const auto* tensor = source.find(name);
    std::string shape;
    for (const auto length : tensor->shape) shape += fmt::format(" {}", length);
    std::puts(fmt::format("{} {}{}", name, dtype_info(tensor->dtype).name, shape).c_str());
  }
}

int run(int count, char** arguments) {
  const bool config = count == 3 && std::string_view(arguments[2]) == "--config";
  if (count != 2 && count != 4 && !config) {
    std::fputs("usage: dump_tensor <folder or file> [--config | <tensor> <output>]\n", stderr);
    return 2;
  }
  const auto source = mm_orch::weights::open_model(arguments[1]);
  if (count == 2) {
    list_tensors(*source);
    return 0;
  }
  if (config) {
    std::puts(source->config().dump().c_str());
    return 0;
  }
  const auto* tensor = source->find(arguments[2]);
  if (tensor == nullptr) {
    std::fputs("no such tensor\n", stderr);
    return 1;
  }
  const auto values = read_f32(*tensor);
  std::ofstream file(arguments[3], std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
  return file.good() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
