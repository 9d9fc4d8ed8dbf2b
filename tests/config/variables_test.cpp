#include "config/variables.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "config/config.h"

namespace mm_orch::config {
namespace {

class Variables : public ::testing::Test {
 protected:
  Variables() {
    ::setenv("MM_TEST_FOLDER", "/data/models", 1);
    ::setenv("MM_TEST_EMPTY", "", 1);
    ::setenv("MM_TEST_THREADS", "3", 1);
    ::setenv("MM_TEST_TRUE", "true", 1);
    ::setenv("MM_TEST_SYNTAX", "a: {b: [c", 1);
    ::unsetenv("MM_TEST_UNSET");
  }
  static std::string error_of(const std::string& text) {
    try {
      parse_config(text, "f.yaml");
    } catch (const ConfigurationError& error) {
      return error.what();
    }
    return {};
  }
};

TEST_F(Variables, AreReplacedByTheRule) {
  const struct {
    const char *text, *expanded;
  } rows[] = {
      {"", ""},
      {"plain", "plain"},
      {"${MM_TEST_FOLDER}", "/data/models"},
      {"${MM_TEST_FOLDER}/ov", "/data/models/ov"},
      {"a${MM_TEST_THREADS}b${MM_TEST_THREADS}c", "a3b3c"},
      {"${MM_TEST_UNSET:-x}", "x"},
      {"${MM_TEST_UNSET:-}", ""},
      {"${MM_TEST_EMPTY}", ""},
      {"${MM_TEST_EMPTY:-x y}", "x y"},
      {"${MM_TEST_FOLDER:-x}", "/data/models"},
      {"${MM_TEST_UNSET:-a:-b}", "a:-b"},
      {"${MM_TEST_UNSET:-$$}", "$$"},  // a default is taken as it stands
      {"$$", "$"},
      {"$${MM_TEST_FOLDER}", "${MM_TEST_FOLDER}"},
      {"$$$$", "$$"},
      {"$", "$"},
      {"cost: 5$", "cost: 5$"},
      {"$MM_TEST_FOLDER", "$MM_TEST_FOLDER"},
      {"}{", "}{"},
  };
  for (const auto& row : rows) {
    const auto [text, problem] = expand_variables(row.text);
    EXPECT_EQ(problem, "") << row.text;
    EXPECT_EQ(text, row.expanded) << row.text;
  }
}

TEST_F(Variables, WrongOnesAreRefused) {
  for (const char* text : {"${MM_TEST_UNSET}", "${}", "${1A}", "${A B}", "${A-x}", "${A:x}",
                           "${:-x}", "${MM_TEST_FOLDER", "x$${MM}${", "${${MM_TEST_FOLDER}}"})
    EXPECT_NE(expand_variables(text).problem, "") << text;
}

TEST_F(Variables, StandInValuesOfEveryType) {
  const auto config = parse_config(R"(
backend:
  default: ${MM_TEST_UNSET:-openvino}
  openvino:
    device: ${MM_TEST_UNSET:-GPU.1}
    enable_fallback: ${MM_TEST_TRUE}
    cache_dir: "${MM_TEST_FOLDER}/ov"
    num_threads: ${MM_TEST_THREADS}
    properties:
      CACHE_DIR: ${MM_TEST_FOLDER}
      COST: 5$$
model_overrides:
  gpt2: ${MM_TEST_UNSET:-pytorch}
)",
                                   "f.yaml");
  EXPECT_EQ(config.default_backend, "openvino");
  EXPECT_EQ(config.openvino.device, "GPU.1");
  EXPECT_TRUE(config.openvino.enable_fallback);
  EXPECT_EQ(config.openvino.cache_dir, "/data/models/ov");
  EXPECT_EQ(config.openvino.num_threads, 3);
  EXPECT_EQ(config.openvino.properties.at("CACHE_DIR"), "/data/models");
  EXPECT_EQ(config.openvino.properties.at("COST"), "5$");
  EXPECT_EQ(config.model_overrides.at("gpt2"), "pytorch");
  const auto json = parse_config(R"({"openvino": {"enable_fallback": "${MM_TEST_UNSET:-no}",
                                     "num_threads": "${MM_TEST_THREADS}"}})",
                                 "dict");
  EXPECT_FALSE(json.openvino.enable_fallback);
  EXPECT_EQ(json.openvino.num_threads, 3);
}

TEST_F(Variables, AnUnsetOneIsAnErrorThatNamesFileLineKeyAndVariable) {
  const auto message = error_of("backend:\n  openvino:\n    cache_dir: ${MM_TEST_UNSET}/ov\n");
  for (const char* part : {"f.yaml:3", "backend.openvino.cache_dir", "MM_TEST_UNSET is not set",
                           "${MM_TEST_UNSET:-default}"})
    EXPECT_NE(message.find(part), std::string::npos) << part << "\n  in: " << message;
  EXPECT_NE(
      error_of("model_overrides:\n  a: ${MM_TEST_UNSET}\n").find("f.yaml:2: model_overrides.a"),
      std::string::npos);
}

TEST_F(Variables, WhatTheyGiveIsCheckedAndNeverParsed) {
  const auto message = error_of("openvino:\n  num_threads: ${MM_TEST_FOLDER}\n");
  EXPECT_NE(message.find("'/data/models' (from '${MM_TEST_FOLDER}')"), std::string::npos)
      << message;
  EXPECT_NE(error_of("openvino:\n  cache_dir: ${MM_TEST_EMPTY}\n"), "");
  EXPECT_NE(error_of("default: ${MM_TEST_SYNTAX}"), "");
  EXPECT_EQ(parse_config("openvino:\n  cache_dir: ${MM_TEST_SYNTAX}\n", "f").openvino.cache_dir,
            "a: {b: [c");
}

TEST_F(Variables, KeysHoldNone) {
  EXPECT_NE(error_of("${MM_TEST_UNSET:-openvino}: {}"), "");
  EXPECT_EQ(parse_config("model_overrides: {'${MM_TEST_FOLDER}': pytorch}", "f")
                .model_overrides.count("${MM_TEST_FOLDER}"),
            1u);
}

}  // namespace
}  // namespace mm_orch::config
