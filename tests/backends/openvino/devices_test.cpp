#include "devices.h"

#include <gtest/gtest.h>

#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

TEST(OpenVinoDevices, DefaultIsTheCpu) {
  for (const auto* name : {"auto", "cpu", "CPU", "CPU.0", ""})
    EXPECT_EQ(resolve_device(name), "CPU") << name;
}

TEST(OpenVinoDevices, AnAbsentOneIsNamedWithThoseThatAreThere) {
  const auto available = core().get_available_devices();
  if (std::find(available.begin(), available.end(), "GPU.7") != available.end()) GTEST_SKIP();
  try {
    resolve_device("gpu.7");
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_EQ(std::string(error.what()).find("Device 'GPU.7' not available"), 0U) << error.what();
    EXPECT_NE(std::string(error.what()).find("CPU"), std::string::npos);
    EXPECT_EQ(error.context().device, "GPU.7");
  }
}

TEST(OpenVinoDevices, AutoRuns) {
  const auto model = OpenVinoBackend().load(gpt2_graph(), {.device = "AUTO"});
  EXPECT_EQ(step(*model->new_session({}), {1, 2}).size(), 60U);
}

std::string configuration_error(const backend::LoadOptions& options) {
  try {
    OpenVinoBackend().load(gpt2_graph(), options);
  } catch (const ConfigurationError& error) {
    return error.what();
  }
  return "no error";
}

TEST(OpenVinoOptions, AnUnknownPropertyIsNamed) {
  const auto message = configuration_error({.properties = {{"NUM_STREEMS", "1"}}});
  EXPECT_NE(message.find("NUM_STREEMS"), std::string::npos) << message;
  EXPECT_NE(message.find("NUM_STREAMS"), std::string::npos) << message;
}

TEST(OpenVinoOptions, AValueThatTheDeviceRefusesIsNamed) {
  const auto message = configuration_error({.properties = {{"PERFORMANCE_HINT", "WARP"}}});
  EXPECT_NE(message.find("PERFORMANCE_HINT"), std::string::npos) << message;
  EXPECT_NE(message.find("WARP"), std::string::npos) << message;
}

TEST(OpenVinoOptions, AnUnknownPrecisionListsThoseOfTheDevice) {
  const auto message = configuration_error({.inference_precision = "f8"});
  EXPECT_NE(message.find("'f8'"), std::string::npos) << message;
  EXPECT_NE(message.find("f32"), std::string::npos) << message;
}

TEST(OpenVinoOptions, TheCallersPropertyWins) {
  const auto graph = gpt2_graph();
  OpenVinoBackend backend;
  const auto exact = step(*backend.load(graph, {})->new_session({}), some_tokens(20));
  const auto threads = step(
      *backend.load(graph, {.num_threads = 1, .num_streams = 1})->new_session({}), some_tokens(20));
  EXPECT_LT(error_of(threads, exact), 1e-5);
  const auto session =
      backend.load(graph, {.properties = {{"KV_CACHE_PRECISION", "u8"}}})->new_session({});
  step(*session, some_tokens(19));
  const auto coarse = step(*session, {some_tokens(20).back()});
  EXPECT_GT(error_of(coarse, exact), 1e-5);
}

}  // namespace
}  // namespace mm_orch::openvino
