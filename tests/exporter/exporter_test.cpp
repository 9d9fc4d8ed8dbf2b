#include "exporter/exporter.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "backend/plugin.h"
#include "mm_orch/errors.h"
#include "support/model_folder.h"
#include "support/scripted_backend.h"

namespace mm_orch::exporter {
namespace {

namespace fs = std::filesystem;
using testing::read_text;

class Exporter : public ::testing::Test {
 protected:
  Exporter() { testing::write_tiny_gpt2("tiny"); }

  ExportResult run(const fs::path& folder, backend::Progress progress = {}) {
    const auto source = weights::open_model("tiny");
    return export_model(*source, backend::get_backend("openvino"),
                        {.folder = folder, .stem = "tiny", .progress = std::move(progress)});
  }
  static size_t entries_in(const fs::path& folder) {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }

  testing::ScratchFolder scratch;
  std::shared_ptr<testing::Faults> faults = testing::register_scripted_backend("openvino");
};

TEST_F(Exporter, TheFolderAloneDescribesTheModel) {
  testing::write_text("tiny/generation_config.json", R"({"max_new_tokens": 7})");
  testing::write_text("tiny/tokenizer_config.json", R"({"chat_template": "{{ messages }}"})");
  testing::write_text("tiny/special_tokens_map.json", R"({"eos_token": "x"})");
  const auto result = run("out/tiny");
  EXPECT_EQ(result.xml_path, "out/tiny/tiny.xml");
  EXPECT_EQ(result.bin_path, "out/tiny/tiny.bin");
  EXPECT_EQ(result.bytes, fs::file_size("out/tiny/tiny.bin"));
  EXPECT_GT(result.seconds, 0);
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json",
                           "tokenizer_config.json", "special_tokens_map.json"})
    EXPECT_EQ(read_text(fs::path("out/tiny") / name), read_text(fs::path("tiny") / name)) << name;
  const auto description = weights::open_description("out/tiny");
  EXPECT_EQ(description->generation_config().at("max_new_tokens"), 7);
  EXPECT_EQ(description->chat_template(), "{{ messages }}");
}

TEST_F(Exporter, MetadataCarriesTheFingerprint) {
  run("out/tiny");
  const auto metadata =
      backend::get_backend("openvino").open_artifact("out/tiny/tiny.xml")->metadata();
  EXPECT_EQ(metadata.at(kFingerprintKey), weights::open_model("tiny")->fingerprint());
  EXPECT_FALSE(metadata.at(kVersionKey).empty());
}

TEST_F(Exporter, AFailureAtAnyPointLeavesTheOldState) {
  run("out/tiny");
  const auto before = read_text("out/tiny/tiny.xml");
  for (const int64_t point : {0, 1})
    EXPECT_THROW(run("out/tiny",
                     [&](int64_t done, int64_t, const std::string&) {
                       if (done == point) throw CancelledError("enough");
                     }),
                 CancelledError);
  faults->at_export = [](const auto&) { throw BackendError("no space"); };
  EXPECT_THROW(run("out/tiny"), BackendError);
  EXPECT_THROW(run("new/tiny"), BackendError);
  EXPECT_EQ(read_text("out/tiny/tiny.xml"), before);
  EXPECT_EQ(entries_in("out"), 1u);
  EXPECT_FALSE(fs::exists("new"));
}

// In a process of its own, since the limits stay.
void expect_in_child(const std::function<bool()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(Exporter, AFullDiskNamesThePathAndLeavesNothing) {
  expect_in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{2000, 2000};  // the tokenizer.json is larger
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      run("out/tiny");
      return false;
    } catch (const BackendError& error) {
      const std::string message = error.what();
      return message.find("tokenizer.json: File too large") != std::string::npos &&
             !fs::exists("out");
    }
  });
}

TEST_F(Exporter, AnUnwritableFolderNamesThePathAndTheReason) {
  if (::geteuid() == 0) {
    expect_in_child([&] {  // root writes everywhere, so as another user
      fs::permissions(scratch.path(), fs::perms::all);
      fs::create_directory("locked");
      if (::setegid(65534) != 0 || ::seteuid(65534) != 0) return false;
      try {
        run("locked/deep/tiny");
        return false;
      } catch (const BackendError& error) {
        const std::string message = error.what();
        return message.find("locked/deep: Permission denied") != std::string::npos;
      }
    });
    return;
  }
  fs::create_directory("locked");
  fs::permissions("locked", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THROW(run("locked/deep/tiny"), BackendError);
}

TEST_F(Exporter, ExportingOntoTheSourceKeepsItsWeights) {
  run("tiny");
  EXPECT_TRUE(fs::exists("tiny/tiny.xml"));
  EXPECT_NO_THROW(weights::open_model("tiny"));
}

}  // namespace
}  // namespace mm_orch::exporter
