#include "manager/backend_choice.h"

#include <gtest/gtest.h>

namespace mm_orch::manager {
namespace {

using Name = std::optional<std::string>;

// Precedence as a table: the first column that is set wins.
TEST(BackendChoice, Precedence) {
  const Name none, pt = kPyTorch, ov = kOpenVino;
  const struct {
    Name call_override, model_override, constructor, config_default;
    const char* chosen;
  } rows[] = {
      {none, none, none, none, kPyTorch}, {none, none, none, ov, kOpenVino},
      {none, none, none, pt, kPyTorch},   {none, none, ov, none, kOpenVino},
      {none, none, pt, ov, kPyTorch},     {none, none, ov, pt, kOpenVino},
      {none, ov, none, none, kOpenVino},  {none, pt, none, ov, kPyTorch},
      {none, ov, pt, pt, kOpenVino},      {none, pt, ov, ov, kPyTorch},
      {ov, none, none, none, kOpenVino},  {pt, none, none, ov, kPyTorch},
      {ov, pt, pt, pt, kOpenVino},        {pt, ov, ov, ov, kPyTorch},
  };
  for (const auto& row : rows) {
    config::Config config;
    config.default_backend = row.config_default;
    if (row.model_override) config.model_overrides["gpt2"] = *row.model_override;
    EXPECT_EQ(choose_backend("gpt2", row.call_override, config, row.constructor), row.chosen)
        << row.call_override.value_or("-") << " " << row.model_override.value_or("-") << " "
        << row.constructor.value_or("-") << " " << row.config_default.value_or("-");
  }
}

TEST(BackendChoice, AnotherModelsOverrideDoesNotCount) {
  config::Config config;
  config.model_overrides["t5-small"] = kOpenVino;
  EXPECT_EQ(choose_backend("gpt2", {}, config, {}), kPyTorch);
}

TEST(BackendChoice, DeviceOfTheCallThenTheSectionThenTheDefault) {
  config::Config config;
  EXPECT_EQ(choose_device(kOpenVino, {}, config, "auto"), "auto");
  EXPECT_EQ(choose_device(kPyTorch, {}, config, "cpu"), "cpu");
  config.openvino.device = "GPU.1";
  EXPECT_EQ(choose_device(kOpenVino, {}, config, "auto"), "GPU.1");
  EXPECT_EQ(choose_device(kPyTorch, {}, config, "auto"), "auto");
  EXPECT_EQ(choose_device(kOpenVino, "CPU", config, "auto"), "CPU");
}

TEST(BackendChoice, OptionsComeFromTheBackendsSection) {
  const auto shared = std::make_shared<config::Config>();
  auto& config = *shared;
  config.openvino.num_threads = 2;
  config.openvino.num_streams = 3;
  config.openvino.inference_precision = "bf16";
  config.openvino.properties["A"] = "B";
  config.pytorch.num_threads = 4;
  const auto openvino = load_options({kOpenVino, "CPU", {}, shared});
  EXPECT_EQ(openvino.device, "CPU");
  EXPECT_EQ(openvino.num_threads, 2);
  EXPECT_EQ(openvino.num_streams, 3);
  EXPECT_EQ(openvino.inference_precision, "bf16");
  EXPECT_EQ(openvino.properties.at("A"), "B");
  const auto pytorch = load_options({kPyTorch, "cpu", {}, shared});
  EXPECT_EQ(pytorch.num_threads, 4);
  EXPECT_EQ(pytorch.inference_precision, "");
  EXPECT_TRUE(pytorch.properties.empty());
}

TEST(Placement, IsTheSameWhileItsBackendsSettingsAre) {
  const auto with = [](const char* text) {
    return std::make_shared<const config::Config>(config::parse_config(text, "test"));
  };
  const ModelReference model{"m", "m", "m"};
  const Placement openvino{kOpenVino, "CPU", model, with("openvino: {num_threads: 2}")};
  auto other = openvino;
  EXPECT_EQ(openvino, other);
  other.config =
      with("{openvino: {num_threads: 2}, default: openvino, model_overrides: {a: pytorch}}");
  EXPECT_EQ(openvino, other);
  other.config = with("openvino: {num_threads: 3}");
  EXPECT_NE(openvino, other);
  other.config = with("{openvino: {num_threads: 2}, pytorch: {num_threads: 3}}");
  EXPECT_NE(openvino, other);  // of the stand-in

  Placement pytorch{kPyTorch, "cpu", model, with("openvino: {num_threads: 2}")};
  other = pytorch;
  other.config = with("openvino: {num_threads: 3}");
  EXPECT_EQ(pytorch, other);
  other.model.location = "/elsewhere";
  EXPECT_NE(pytorch, other);
}

}  // namespace
}  // namespace mm_orch::manager
