#include "compile_options.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>

#include "mm_orch/errors.h"
#include "tuning_axes.h"

namespace mm_orch::openvino {
namespace {

std::shared_ptr<ov::Model> model_with(const std::map<std::string, std::string>& own) {
  const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::PartialShape{1});
  const auto result = std::make_shared<ov::op::v0::Result>(input);
  auto model = std::make_shared<ov::Model>(ov::ResultVector{result}, ov::ParameterVector{input});
  for (const auto& [name, value] : own)
    model->set_rt_info(value, std::vector<std::string>{"runtime_options", name});
  return model;
}

std::string value_of(const ov::AnyMap& properties, const std::string& name) {
  const auto entry = properties.find(name);
  return entry == properties.end() ? "" : entry->second.as<std::string>();
}

TEST(CompileOptions, TuningWinsOverTheArtifact) {
  const auto model = model_with({{kDynamicQuantization, "64"}, {kCachePrecision, "f32"}});
  const auto properties =
      compile_properties(*model, "INT8", "CPU", {.tuned = {{kDynamicQuantization, "32"}}});
  EXPECT_EQ(value_of(properties, kDynamicQuantization), "32");
  EXPECT_EQ(value_of(properties, kCachePrecision), "f32");
}

TEST(CompileOptions, TheCallerWinsOverTuning) {
  const auto model = model_with({});
  const auto properties =
      compile_properties(*model, "INT8", "CPU",
                         {.num_threads = 1,
                          .properties = {{kDynamicQuantization, "128"}},
                          .tuned = {{kDynamicQuantization, "32"}, {"INFERENCE_NUM_THREADS", "2"}}});
  EXPECT_EQ(value_of(properties, kDynamicQuantization), "128");
  EXPECT_EQ(value_of(properties, "INFERENCE_NUM_THREADS"), "1");
}

TEST(CompileOptions, Fp32IsNeverLoweredByTuning) {
  const auto properties = compile_properties(*model_with({}), "FP32", "CPU",
                                             {.tuned = {{kInferencePrecision, "bf16"},
                                                        {kCachePrecision, "u8"},
                                                        {kDynamicQuantization, "64"},
                                                        {"ENABLE_CPU_PINNING", "NO"}}});
  EXPECT_EQ(value_of(properties, kInferencePrecision), "f32");
  EXPECT_EQ(value_of(properties, kCachePrecision), "f32");
  EXPECT_EQ(value_of(properties, kDynamicQuantization), "0");
  EXPECT_EQ(value_of(properties, "ENABLE_CPU_PINNING"), "NO");
}

TEST(CompileOptions, ACacheInAFloatFormatFollowsTheArithmetic) {
  const auto model = model_with({{kInferencePrecision, "bf16"}, {kCachePrecision, "bf16"}});
  const auto asked = compile_properties(*model, "INT8", "CPU", {.inference_precision = "f32"});
  EXPECT_EQ(value_of(asked, kCachePrecision), "f32");
  const auto small = compile_properties(
      *model, "INT8", "CPU", {.inference_precision = "f32", .tuned = {{kCachePrecision, "u8"}}});
  EXPECT_EQ(value_of(small, kCachePrecision), "u8");
}

TEST(CompileOptions, APrecisionThatTheDeviceLacksIsNamed) {
  const auto possible = device_precisions("CPU");
  EXPECT_EQ(possible.front(), "f32");
  try {
    compile_properties(*model_with({}), "INT8", "CPU", {.inference_precision = "f8"});
    FAIL() << "no error";
  } catch (const ConfigurationError& error) {
    EXPECT_NE(std::string(error.what()).find("'f8' is not possible on CPU; it computes in f32"),
              std::string::npos)
        << error.what();
  }
}

TEST(CompileOptions, WhatOpenVinoWouldReplaceByAnotherPrecisionIsRefused) {
  const auto possible = device_precisions("CPU");
  for (const std::string precision : {"bf16", "f16"}) {
    const auto named = [&](const backend::LoadOptions& options) -> std::string {
      try {
        compile_properties(*model_with({}), "INT8", "CPU", options);
      } catch (const ConfigurationError& error) {
        return error.what();
      }
      return "possible";
    };
    const auto by_option = named({.inference_precision = precision});
    const auto by_property = named({.properties = {{kInferencePrecision, precision}}});
    if (std::ranges::find(possible, precision) != possible.end()) {
      EXPECT_EQ(by_option, "possible");
      EXPECT_EQ(by_property, "possible");
      continue;
    }
    const auto said = fmt::format(" '{}' is not possible on CPU; it computes in {}", precision,
                                  fmt::join(possible, ", "));
    EXPECT_EQ(by_option, "inference_precision" + said);
    EXPECT_EQ(by_property, kInferencePrecision + said);
  }
}

TEST(TuningAxes, Fp32HasNoneThatChangesResults) {
  for (const auto& axis : tuning_axes("FP32", {})) EXPECT_FALSE(axis.changes_results);
}

TEST(TuningAxes, NameOnlyWhatTheDeviceTakes) {
  for (const auto* weights : {"FP16", "INT8"})
    for (const auto& axis : tuning_axes(weights, {}))
      for (const auto& choice : axis.choices)
        EXPECT_NO_THROW(
            compile_properties(*model_with({}), weights, "CPU", {.properties = choice}));
}

TEST(TuningAxes, LeaveOutWhatTheModelHasAlready) {
  const ov::AnyMap own{
      {kInferencePrecision, "f32"}, {kCachePrecision, "f32"}, {kDynamicQuantization, "64"}};
  const auto axes = tuning_axes("INT8", own);
  EXPECT_FALSE(axes.front().choices.empty());
  for (const auto& choice : axes.front().choices)
    EXPECT_FALSE(choice.at(kInferencePrecision) == "f32" &&
                 choice.at(kDynamicQuantization) == "64");
}

}  // namespace
}  // namespace mm_orch::openvino
