#include <gtest/gtest.h>

#include "backend/backend.h"

namespace mm_orch::backend {

TEST(Precision, ReadsItsOwnNamesInAnyCase) {
  for (const auto precision :
       {Precision::kFP32, Precision::kFP16, Precision::kINT8, Precision::kINT4})
    EXPECT_EQ(parse_precision(precision_name(precision)), precision);
  EXPECT_EQ(parse_precision("fp16"), Precision::kFP16);
}

TEST(Precision, NamesWhatIsAllowed) {
  try {
    parse_precision("INT2");
    FAIL();
  } catch (const InvalidInputError& error) {
    EXPECT_STREQ(error.what(), "Unknown precision 'INT2'; allowed are FP32, FP16, INT8 and INT4");
  }
}

}  // namespace mm_orch::backend
