#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <openvino/op/constant.hpp>
#include <random>

#include "lowering/lower.h"
#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

namespace fs = std::filesystem;
using backend::Precision;

class OpenVinoArtifact : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (fs::temp_directory_path() / "mm_orch_openvino_XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path stem() const { return folder_ / "model"; }
  fs::path xml() const { return folder_ / "model.xml"; }
  fs::path bin() const { return folder_ / "model.bin"; }

  void export_llama(Precision precision) {
    backend::ExportOptions options;
    options.precision = precision;
    options.metadata = {{"source_fingerprint", "00ff"}, {"mm_orch_version", "0.1.0"}};
    backend_.export_artifact(graph_, stem(), options);
  }

  // Logits of a prompt and three more tokens, fed one by one.
  std::vector<float> run(backend::LoadedModel& model) {
    const auto session = model.new_session({});
    auto all = step(*session, some_tokens(10), LogitsOf::kAllTokens);
    for (int64_t token = 0; token < 3; ++token) {
      const auto logits = step(*session, {token});
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }

  std::vector<float> round_trip(Precision precision) {
    export_llama(precision);
    const auto model = backend_.open_artifact(xml())->compile(graph_.info, {});
    EXPECT_EQ(model->precision(), backend::precision_name(precision));
    EXPECT_EQ(model->device(), "CPU");
    EXPECT_GE(model->memory_bytes(), fs::file_size(bin()) / 2);
    return run(*model);
  }

  graph::Graph graph_ = llama_graph();
  OpenVinoBackend backend_;
  fs::path folder_;
};

TEST_F(OpenVinoArtifact, Fp32RoundTripIsExact) {
  const auto loaded = run(*backend_.load(llama_graph(), {}));
  EXPECT_EQ(round_trip(Precision::kFP32), loaded);
}

TEST_F(OpenVinoArtifact, Fp16RoundTripIsClose) {
  const auto exact = run(*backend_.load(llama_graph(), {}));
  const double error = error_of(round_trip(Precision::kFP16), exact);
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.05);
}

TEST_F(OpenVinoArtifact, Int8RoundTripIsClose) {
  const auto exact = run(*backend_.load(llama_graph(), {}));
  const double error = error_of(round_trip(Precision::kINT8), exact);
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.1);
}

TEST_F(OpenVinoArtifact, Int4RoundTripIsClose) {
  graph_ = models::build_graph(testing::random_llama({{"hidden_size", 64}}));
  const auto exact = run(*backend_.load(graph_, {}));
  const double error = error_of(round_trip(Precision::kINT4), exact);
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.3);
  const uint64_t int4 = fs::file_size(bin());
  round_trip(Precision::kINT8);
  EXPECT_LT(int4, 0.9 * static_cast<double>(fs::file_size(bin())));
}

// With f32 arithmetic what remains is the rounding of the weights alone.
TEST_F(OpenVinoArtifact, Int8WeightsComputedInF32AreCloser) {
  const auto exact = run(*backend_.load(llama_graph(), {}));
  export_llama(Precision::kINT8);
  backend::LoadOptions options;
  options.inference_precision = "f32";
  options.properties = {{"KV_CACHE_PRECISION", "f32"}, {"DYNAMIC_QUANTIZATION_GROUP_SIZE", "0"}};
  const auto model = backend_.open_artifact(xml())->compile(llama_graph().info, options);
  EXPECT_LT(error_of(run(*model), exact), 0.03);
}

TEST_F(OpenVinoArtifact, KeepsMetadata) {
  export_llama(Precision::kINT8);
  const std::map<std::string, std::string> expected = {
      {"source_fingerprint", "00ff"}, {"mm_orch_version", "0.1.0"}, {"precision", "INT8"}};
  EXPECT_EQ(backend_.open_artifact(xml())->metadata(), expected);
}

TEST_F(OpenVinoArtifact, WritesATiedProjectionOnce) {
  export_llama(Precision::kFP32);
  const auto parameters = static_cast<uint64_t>(llama_graph().parameter_count());
  EXPECT_LT(fs::file_size(bin()), parameters * 4 + 4096);
  export_llama(Precision::kFP16);
  EXPECT_LT(fs::file_size(bin()), parameters * 2 + 8192);
  export_llama(Precision::kINT8);
  EXPECT_LT(fs::file_size(bin()), parameters * 1 + 12288);
}

TEST_F(OpenVinoArtifact, ReportsProgress) {
  backend::ExportOptions options;
  std::vector<int64_t> done;
  int64_t last_total = 0;
  options.progress = [&](int64_t now, int64_t total, const std::string& what) {
    done.push_back(now);
    last_total = total;
    EXPECT_FALSE(what.empty());
  };
  backend_.export_artifact(llama_graph(), stem(), options);
  std::vector<int64_t> expected(done.size());
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(done, expected);
  EXPECT_EQ(done.back(), last_total);
}

TEST_F(OpenVinoArtifact, TruncatedFilesAreRefused) {
  export_llama(Precision::kFP32);
  const auto bin_size = fs::file_size(bin());
  const auto xml_size = fs::file_size(xml());
  for (const auto size : {bin_size - 1, bin_size / 2, uintmax_t{0}}) {
    fs::resize_file(bin(), size);
    EXPECT_THROW(backend_.open_artifact(xml()), FileValidationError) << "bin of " << size;
  }
  fs::remove(bin());
  EXPECT_THROW(backend_.open_artifact(xml()), FileValidationError);
  export_llama(Precision::kFP32);
  for (const auto size : {xml_size - 8, xml_size / 2, uintmax_t{10}, uintmax_t{0}}) {
    fs::resize_file(xml(), size);
    EXPECT_THROW(backend_.open_artifact(xml()), FileValidationError) << "xml of " << size;
  }
  fs::remove(xml());
  EXPECT_THROW(backend_.open_artifact(xml()), ModelNotFoundError);
}

TEST_F(OpenVinoArtifact, ADamagedXmlNeverCrashes) {
  export_llama(Precision::kFP32);
  std::ifstream in(xml());
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  std::mt19937 random(5);
  for (int i = 0; i < 60; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random() % 256);
    bad[random() % bad.size()] = static_cast<char>('0' + random() % 10);
    std::ofstream(xml()) << bad;
    try {
      backend_.open_artifact(xml())->compile(llama_graph().info, {});
    } catch (const ModelLoadError&) {  // FileValidationError is one
    }
  }
}

TEST_F(OpenVinoArtifact, AFullDiskIsReported) {
  fs::create_symlink("/dev/full", bin());
  try {
    export_llama(Precision::kFP32);
    FAIL() << "wrote to a full disk";
  } catch (const BackendError& error) {
    EXPECT_NE(std::string(error.what()).find("No space left on device"), std::string::npos)
        << error.what();
    EXPECT_EQ(error.context().path, bin());
  }
}

// In a process of its own, since the limit stays.
TEST_F(OpenVinoArtifact, AFullDiskIsReportedForConvertedWeightsToo) {
  const auto graph = llama_graph();
  const auto export_limited = [&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      backend_.export_artifact(graph, folder_ / "model", {.precision = Precision::kINT8});
    } catch (const BackendError& error) {
      const std::string message = error.what();

      std::exit(error.code() == ErrorCode::kBackend &&
                        message == "Cannot write to " + folder_.string() + ": File too large"
                    ? 0
                    : 1);
    }
    std::exit(2);
  };
  EXPECT_EXIT(export_limited(), ::testing::ExitedWithCode(0), "");
}

TEST_F(OpenVinoArtifact, NothingIsLeftBesideAnExport) {
  export_llama(Precision::kINT8);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

TEST_F(OpenVinoArtifact, AMissingFolderIsReported) {
  const auto stem = folder_ / "nowhere" / "model";
  try {
    backend_.export_artifact(llama_graph(), stem, {});
    FAIL() << "wrote into a missing folder";
  } catch (const BackendError& error) {
    EXPECT_NE(std::string(error.what()).find("No such file or directory"), std::string::npos)
        << error.what();
  }
}

TEST(OpenVinoLowering, PlainWeightsAreNotCopied) {
  const auto graph = gpt2_graph();
  const auto model = lower(graph, Precision::kFP32).decoder;
  std::vector<const void*> constants;
  for (const auto& node : model->get_ops())
    if (const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node))
      constants.push_back(constant->get_data_ptr());
  for (const auto& weight : graph.weights)
    EXPECT_NE(std::find(constants.begin(), constants.end(), weight.parts.front().data.data()),
              constants.end())
        << weight.name;
}

}  // namespace
}  // namespace mm_orch::openvino
