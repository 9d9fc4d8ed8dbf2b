// What steps of several tokens take, learnt from steps.
#include "backend/step_costs.h"

#include <gtest/gtest.h>

namespace mm_orch::backend {
namespace {

void measure(StepCosts& costs, int times, int64_t tokens, double seconds) {
  for (int i = 0; i < times; ++i) costs.measured(tokens, seconds);
}

TEST(StepCosts, AreAssumedUntilTheyAreMeasured) {
  StepCosts costs;
  EXPECT_NEAR(costs.ratio(2, 1), 1.06, 1e-9);
  EXPECT_NEAR(costs.ratio(11, 1), 1.6, 1e-9);
  EXPECT_NEAR(costs.ratio(301, 1), 19.0, 1e-9);
  measure(costs, 2, 1, 0.004);
  EXPECT_NEAR(costs.ratio(11, 1), 1.6, 1e-9);
}

TEST(StepCosts, FollowWhatIsMeasured) {
  StepCosts costs;
  for (int i = 0; i < 2; ++i) {
    costs.measured(1, 0.010);
    costs.measured(5, 0.020);
    costs.measured(16, 0.030);
  }
  EXPECT_NEAR(costs.ratio(5, 1), 2.0, 0.05);
  EXPECT_NEAR(costs.ratio(16, 1), 3.0, 0.05);
  EXPECT_NEAR(costs.ratio(16, 5), 1.5, 0.05);
  for (int i = 0; i < 20; ++i) {
    costs.measured(1, 0.010);
    costs.measured(16, 0.050);
  }
  EXPECT_NEAR(costs.ratio(16, 1), 5.0, 0.15);  // between two, some is forgotten
}

TEST(StepCosts, AreALineBetween) {
  StepCosts costs;
  for (int i = 0; i < 30; ++i) {
    costs.measured(32, 0.010);
    costs.measured(48, 0.030);
  }
  EXPECT_NEAR(costs.ratio(40, 32), 2.0, 0.02);
}

TEST(StepCosts, PassOverSingleLongSteps) {
  StepCosts costs;
  measure(costs, 3, 1, 0.010);
  costs.measured(9, 1.0);
  EXPECT_NEAR(costs.ratio(9, 1), 1.48, 0.01);
  costs.measured(9, 0.020);
  EXPECT_NEAR(costs.ratio(9, 1), 2.0, 0.01);
  costs.measured(9, 3.0);
  costs.measured(9, 0.020);
  EXPECT_NEAR(costs.ratio(9, 1), 2.0, 0.01);
}

TEST(StepCosts, AreForgottenWhereNothingIsMeasured) {
  StepCosts costs;
  for (int i = 0; i < 20; ++i) {
    costs.measured(1, 0.010);
    costs.measured(8, 0.100);
  }
  EXPECT_GT(costs.ratio(8, 1), 9.0);
  measure(costs, 100, 1, 0.010);
  EXPECT_GT(costs.ratio(8, 1), 5.0);
  measure(costs, 2000, 1, 0.010);
  EXPECT_NEAR(costs.ratio(8, 1), 1.42, 0.05);
}

}  // namespace
}  // namespace mm_orch::backend
