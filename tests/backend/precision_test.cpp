#include <gtest/gtest.h>

#include "backend/backend.h"

namespace mm_orch::backend {

TEST(Precision, ReadsItsOwnNamesInAnyCase) {
  for (const auto precision : {Precision::kFP32, Precision::kFP16, Precision::kINT8})
    EXPECT_EQ(parse_precision(precision_name(precision)), precision);
  EXPECT_EQ(parse_precision("fp16"), Precision::kFP16);
}

TEST(Precision, NamesWhatIsAllowed) {
  try {
    parse_precision("INT4");
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_STREQ(error.what(), "Unknown precision 'INT4'; allowed are FP32, FP16 and INT8");
  }
}

}  // namespace mm_orch::backend
