// A T5's decoder over its paged cache: what a sequence gets does not depend on who shares the step.
#include <gtest/gtest.h>

#include "backend/paged_session.h"
#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

constexpr double kTolerance = 1e-5;  // f32, other order of sums

std::shared_ptr<backend::LoadedModel> t5() {
  static const auto model = OpenVinoBackend().load(encoder_decoder_graph(1), {});
  return model;
}

std::unique_ptr<backend::Session> session_of(const std::vector<std::vector<int64_t>>& sources) {
  backend::SessionOptions options;
  options.batch = static_cast<int64_t>(sources.size());
  options.sources.assign(sources.begin(), sources.end());
  return t5()->new_session(options);
}

std::unique_ptr<backend::Session> session_of_one_text() {
  static const std::vector<std::vector<int64_t>> sources = {some_tokens(7)};
  return session_of(sources);
}

TEST(StepDecoder, RunsWhatIsShapedAsAT5) {
  EXPECT_NE(t5()->paged(), nullptr);
  EXPECT_EQ(OpenVinoBackend().load(encoder_decoder_graph(0.25f), {})->paged(), nullptr);
}

TEST(StepDecoder, JoinedSequencesGetWhatTheyGetAlone) {
  // Texts and sequences that end within, at, and beyond a block of 32.
  const std::vector<std::vector<int64_t>> sources = {some_tokens(1, 4), some_tokens(32, 1),
                                                     some_tokens(70, 2), some_tokens(9, 3)};
  const auto together = session_of(sources);
  std::vector<std::unique_ptr<backend::Session>> alone;
  std::vector<std::vector<std::vector<int64_t>>> single;
  for (const auto& source : sources) single.push_back({source});
  for (const auto& source : single) alone.push_back(session_of(source));
  for (int64_t round = 0; round < 8; ++round) {
    std::vector<std::vector<int64_t>> fed;
    std::vector<backend::RowTokens> rows;
    for (size_t row = 0; row < sources.size(); ++row)
      fed.push_back(some_tokens(1 + (round * 5 + static_cast<int64_t>(row) * 9) % 23, round));
    for (size_t row = 0; row < sources.size(); ++row)
      if ((round + static_cast<int64_t>(row)) % 3 > 0) rows.push_back({row, fed[row], 1});
    const auto logits = together->step_rows(rows);
    const auto width = static_cast<size_t>(t5()->paged()->info().vocabulary_size);
    ASSERT_EQ(logits.size(), rows.size() * width);
    for (size_t i = 0; i < rows.size(); ++i)
      EXPECT_LT(
          error_of(logits.subspan(i * width, width), step(*alone[rows[i].row], fed[rows[i].row])),
          kTolerance)
          << round << ", " << rows[i].row;
  }
}

TEST(StepDecoder, TokenByTokenEqualsAtOnceBeyondTheFarthestDistance) {
  const auto tokens = some_tokens(100);
  const auto at_once = step(*session_of_one_text(), tokens, LogitsOf::kAllTokens);
  const auto session = session_of_one_text();
  std::vector<float> all;
  for (const int64_t token : tokens) {
    const auto logits = step(*session, {token});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  EXPECT_LT(error_of(all, at_once), kTolerance);
}

TEST(StepDecoder, ATruncatedSequenceForgets) {
  const auto session = session_of_one_text();
  step(*session, some_tokens(40));
  session->truncate(0, 31);
  const auto tokens = some_tokens(40);
  auto kept = some_tokens(31);
  kept.push_back(5);
  EXPECT_LT(error_of(step(*session, {5}), step(*session_of_one_text(), kept)), kTolerance);
}

}  // namespace
}  // namespace mm_orch::openvino
