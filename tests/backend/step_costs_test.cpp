// What steps of several tokens take, learnt from steps.
#include "backend/step_costs.h"

#include <gtest/gtest.h>

namespace mm_orch::backend {
namespace {

void measure(StepMeter& meter, int times, int64_t tokens, double seconds) {
  for (int i = 0; i < times; ++i) meter.measured(tokens, seconds);
}

TEST(StepCosts, AreAssumedUntilTheyAreMeasured) {
  StepMeter meter;
  EXPECT_NEAR(meter.costs().ratio(2, 1), 1.06, 1e-9);
  EXPECT_NEAR(meter.costs().ratio(11, 1), 1.6, 1e-9);
  EXPECT_NEAR(meter.costs().ratio(301, 1), 19.0, 1e-9);
  measure(meter, 2, 1, 0.004);
  EXPECT_NEAR(meter.costs().ratio(11, 1), 1.6, 1e-9);
}

TEST(StepCosts, FollowWhatIsMeasured) {
  StepMeter meter;
  for (int i = 0; i < 2; ++i) {
    meter.measured(1, 0.010);
    meter.measured(5, 0.020);
    meter.measured(16, 0.030);
  }
  EXPECT_NEAR(meter.costs().ratio(5, 1), 2.0, 0.05);
  EXPECT_NEAR(meter.costs().ratio(16, 1), 3.0, 0.05);
  EXPECT_NEAR(meter.costs().ratio(16, 5), 1.5, 0.05);
  for (int i = 0; i < 20; ++i) {
    meter.measured(1, 0.010);
    meter.measured(16, 0.050);
  }
  EXPECT_NEAR(meter.costs().ratio(16, 1), 5.0, 0.15);  // between two, some is forgotten
}

TEST(StepCosts, AreALineBetween) {
  StepMeter meter;
  for (int i = 0; i < 30; ++i) {
    meter.measured(32, 0.010);
    meter.measured(48, 0.030);
  }
  EXPECT_NEAR(meter.costs().ratio(40, 32), 2.0, 0.02);
}

TEST(StepCosts, OfOneNumberLeaveAnotherThatIsKnown) {
  StepMeter meter;
  measure(meter, 20, 1, 0.010);
  measure(meter, 20, 8, 0.020);
  measure(meter, 2, 9, 0.040);
  EXPECT_NEAR(meter.costs().ratio(8, 1), 2.0, 0.3);
}

// Of so many each may take what it likes.
TEST(StepCosts, AreNotLearntFromMoreTokensThanHaveAPlace) {
  StepMeter meter;
  measure(meter, 20, 1, 0.010);
  measure(meter, 20, 2000, 7.0);
  EXPECT_NEAR(meter.costs().ratio(256, 1), 16.3, 0.1);
  measure(meter, 3, 256, 0.100);
  EXPECT_NEAR(meter.costs().ratio(256, 1), 10.0, 0.1);
}

TEST(StepCosts, PassOverSingleLongSteps) {
  StepMeter meter;
  measure(meter, 3, 1, 0.010);
  meter.measured(9, 1.0);
  EXPECT_NEAR(meter.costs().ratio(9, 1), 1.48, 0.01);
  meter.measured(9, 0.020);
  EXPECT_NEAR(meter.costs().ratio(9, 1), 2.0, 0.01);
  meter.measured(9, 3.0);
  meter.measured(9, 0.020);
  EXPECT_NEAR(meter.costs().ratio(9, 1), 2.0, 0.01);
}

TEST(StepCosts, AreForgottenWhereNothingIsMeasured) {
  StepMeter meter;
  for (int i = 0; i < 20; ++i) {
    meter.measured(1, 0.010);
    meter.measured(8, 0.100);
  }
  EXPECT_GT(meter.costs().ratio(8, 1), 9.0);
  measure(meter, 100, 1, 0.010);
  EXPECT_GT(meter.costs().ratio(8, 1), 5.0);
  measure(meter, 2000, 1, 0.010);
  EXPECT_NEAR(meter.costs().ratio(8, 1), 1.42, 0.05);
}

}  // namespace
}  // namespace mm_orch::backend
