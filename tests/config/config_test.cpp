#include "config/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "mm_orch/errors.h"
#include "mm_orch/log.h"
#include "support/model_folder.h"

namespace mm_orch::config {
namespace {

constexpr const char* kGuide = R"(backend:
  # Default backend for all models
  default: openvino
  
  # OpenVINO-specific settings
  openvino:
    device: CPU  # CPU, GPU, or AUTO
    enable_fallback: true
    cache_dir: models/openvino
  
  # PyTorch-specific settings
  pytorch:
    device: cpu

# Per-model backend overrides
model_overrides:
  gpt2: openvino
  t5-small: pytorch
)";

TEST(Config, ReadsTheGuidesFile) {
  const auto config = parse_config(kGuide, "backend.yaml");
  EXPECT_EQ(config.default_backend, "openvino");
  EXPECT_EQ(config.openvino.device, "CPU");
  EXPECT_TRUE(config.openvino.enable_fallback);
  EXPECT_EQ(config.openvino.cache_dir, "models/openvino");
  EXPECT_EQ(config.pytorch.device, "cpu");
  EXPECT_EQ(config.model_overrides,
            (std::map<std::string, std::string>{{"gpt2", "openvino"}, {"t5-small", "pytorch"}}));
}

TEST(Config, DefaultsWithoutText) {
  for (const char* text : {"", "# nothing\n", "backend:\n", "{}", "backend: {openvino: }"}) {
    const auto config = parse_config(text, "test");
    EXPECT_FALSE(config.default_backend) << text;
    EXPECT_TRUE(config.openvino.enable_fallback);
    EXPECT_FALSE(config.openvino.auto_export);
    EXPECT_EQ(config.openvino.cache_dir, "models/openvino");
    EXPECT_TRUE(config.model_overrides.empty());
  }
}

TEST(Config, ReadsJsonWithAndWithoutTheOuterLevel) {
  const std::string inner =
      R"("openvino": {"device": "GPU.1", "enable_fallback": false, "auto_export": true,
         "num_threads": 2, "num_streams": 1, "inference_precision": "bf16",
         "properties": {"PERFORMANCE_HINT": "LATENCY", "ENABLE_MMAP": true}},
         "pytorch": {"num_threads": 3, "inference_precision": "f32"}, "default": "pytorch")";
  for (const auto& text : {"{" + inner + "}", R"({"backend": {)" + inner +
                                                  R"(}, "model_overrides": {"a/b": "pytorch"}})"}) {
    const auto config = parse_config(text, "test");
    EXPECT_EQ(config.default_backend, "pytorch");
    EXPECT_EQ(config.openvino.device, "GPU.1");
    EXPECT_FALSE(config.openvino.enable_fallback);
    EXPECT_TRUE(config.openvino.auto_export);
    EXPECT_EQ(config.openvino.num_threads, 2);
    EXPECT_EQ(config.openvino.num_streams, 1);
    EXPECT_EQ(config.openvino.inference_precision, "bf16");
    EXPECT_EQ(config.openvino.properties,
              (std::map<std::string, std::string>{{"PERFORMANCE_HINT", "LATENCY"},
                                                  {"ENABLE_MMAP", "true"}}));
    EXPECT_EQ(config.pytorch.num_threads, 3);
  }
}

struct Wrong {
  const char* text;
  std::vector<const char*> parts;  // of the message
};

TEST(Config, WrongOnesNameLineKeyFoundAndAllowed) {
  const std::vector<Wrong> cases{
      {"backend:\n  defualt: openvino\n",
       {"f.yaml:2", "backend.defualt", "unknown key", "'default'", "pytorch"}},
      {"backend:\n  default: opnvino\n",
       {"f.yaml:2", "backend.default", "'opnvino'", "pytorch, openvino",
        "did you mean 'openvino'?"}},
      {"backend:\n  openvino:\n    enable_fallbak: true\n",
       {"f.yaml:3", "backend.openvino.enable_fallbak", "'enable_fallback'"}},
      {"openvino:\n  enable_fallback: maybe\n",
       {"f.yaml:2", "openvino.enable_fallback", "'maybe'", "true or false"}},
      {R"({"openvino": {"enable_fallback": "true"}})", {"f.yaml:1", "'true'", "true or false"}},
      {"openvino:\n  num_threads: -1\n", {"f.yaml:2", "openvino.num_threads", "'-1'", "from 0 to"}},
      {"openvino:\n  num_threads: 2.5\n", {"'2.5'", "whole number"}},
      {"openvino:\n  num_threads: [1]\n", {"a list", "whole number"}},
      {"openvino:\n  device: TPU\n", {"f.yaml:2", "'TPU'", "GPU"}},
      {"openvino:\n  inference_precision: fp32\n", {"'fp32'", "f32, bf16, f16"}},
      {"openvino:\n  cache_dir: ''\n", {"cache_dir", "path of a folder"}},
      {"statistics:\n  log_interval_seconds: -1\n", {"f.yaml:2", "'-1'", "from 0 to 86400"}},
      {"statistics:\n  log_interval_second: 5\n",
       {"f.yaml:2", "statistics.log_interval_second", "'log_interval_seconds'"}},
      {"openvino: [1, 2]\n", {"f.yaml:1", "openvino", "a list", "mapping"}},
      {"backend: openvino\n", {"backend", "'openvino'", "mapping"}},
      {"- a\n- b\n", {"a list", "mapping"}},
      {"just text", {"'just text'", "mapping"}},
      {"backend: {}\nopenvino: {}\n",
       {"f.yaml:2", "openvino", "unknown key", "backend, model_overrides"}},
      {"model_overrides:\n  gpt2: tensorflow\n",
       {"f.yaml:2", "model_overrides.gpt2", "'tensorflow'"}},
      {"model_overrides:\n  gpt2: [openvino]\n", {"model_overrides", "a list"}},
      {"openvino:\n  device: CPU\n  device: GPU\n", {"f.yaml:3", "openvino.device", "second time"}},
      {"model_overrides:\n  a: pytorch\n  a: openvino\n", {"model_overrides.a", "second time"}},
      {"? [a, b]\n: c\n", {"a list as a key"}},
      {"openvino: {device: CPU\n", {"f.yaml", "not valid YAML"}},
      {"\tbackend:\n", {"f.yaml:1", "not valid YAML"}},
      {"a: &x 1\nb: *y\n", {"not valid YAML"}},
      {"backend: {}\n---\ndefault: openvino\n", {"f.yaml:3", "2 YAML documents", "one is allowed"}},
  };
  for (const auto& wrong : cases) {
    try {
      parse_config(wrong.text, "f.yaml");
      ADD_FAILURE() << wrong.text;
    } catch (const ConfigurationError& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.context().path, "f.yaml");
      for (const char* part : wrong.parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << "\n  in: " << message;
    }
  }
}

TEST(Config, AliasesCannotMultiply) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const auto name = fmt::format("a{}", i), before = fmt::format("*a{}", i - 1);
    bomb += fmt::format("{0}: &{0} [", name);
    for (int j = 0; j < 10; ++j) bomb += (j ? ", " : "") + before;
    bomb += "]\n";
  }
  EXPECT_THROW(parse_config(bomb, "test"), ConfigurationError);
  EXPECT_THROW(parse_config("openvino: &a\n  properties: *a\n", "test"), ConfigurationError);
  EXPECT_THROW(parse_config("&a {backend: *a}", "test"), ConfigurationError);
}

TEST(Config, DeepAndHugeTextsAreRefused) {
  for (const char* open : {"[", "{a: ", "- "}) {
    std::string deep;
    for (int i = 0; i < 20000; ++i) deep += open;
    EXPECT_THROW(parse_config(deep, "test"), ConfigurationError) << open;
  }
  EXPECT_THROW(parse_config(std::string(1 << 20, ' '), "test"), ConfigurationError);
  std::string keys;
  for (int i = 0; i < 15000; ++i) keys += fmt::format("k{}: v\n", i);
  EXPECT_THROW(parse_config(keys, "test"), ConfigurationError);
}

TEST(ConfigFile, MissingIsOneWarningAndPyTorch) {
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel level, std::string_view message) {
    if (level == LogLevel::kWarning) warnings.emplace_back(message);
  });
  const auto config = load_config_file("absent/backend.yaml");
  set_log_sink({});
  EXPECT_FALSE(config.default_backend);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("absent/backend.yaml"), std::string::npos);
  EXPECT_NE(warnings[0].find("PyTorch"), std::string::npos);
}

TEST(ConfigFile, ReadsAFileAndRefusesWhatIsNone) {
  const testing::ScratchFolder scratch;
  testing::write_text("backend.yaml", kGuide);
  EXPECT_EQ(load_config_file("backend.yaml").default_backend, "openvino");
  testing::write_text("empty.yaml", "");
  EXPECT_FALSE(load_config_file("empty.yaml").default_backend);
  EXPECT_THROW(load_config_file("."), ConfigurationError);
  EXPECT_THROW(load_config_file("/dev/zero"), ConfigurationError);
  testing::write_text("big.yaml", std::string(1 << 20, '#'));
  EXPECT_THROW(load_config_file("big.yaml"), ConfigurationError);
}

}  // namespace
}  // namespace mm_orch::config
