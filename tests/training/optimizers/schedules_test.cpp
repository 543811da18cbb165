#include <lamina/error.h>
#include <lamina/schedules.h>

#include <numbers>

#include "tests/training/helpers.h"
#include "training/by_name.h"

namespace lamina {
namespace {

TEST(Schedules, DecayExponentiallyOrInSteps) {
  const auto smooth = schedules::ExponentialDecay(
      {.initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.5});
  EXPECT_FLOAT_EQ((*smooth)(0), 0.1F);
  EXPECT_FLOAT_EQ((*smooth)(5), 0.1F * std::sqrt(0.5F));
  EXPECT_FLOAT_EQ((*smooth)(20), 0.025F);
  const auto stairs = schedules::ExponentialDecay(
      {.initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.5, .staircase = true});
  EXPECT_FLOAT_EQ((*stairs)(19), 0.05F);
}

TEST(Schedules, ChangeAfterTheirBoundaries) {
  const auto pieces =
      schedules::PiecewiseConstantDecay({.boundaries = {3, 7}, .values = {1, 0.5, 0.1}});
  const std::vector<float> expected = {1, 1, 1, 1, .5F, .5F, .5F, .5F, .1F, .1F};
  for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ((*pieces)(i), expected[std::size_t(i)]) << i;
  EXPECT_THROW((void)schedules::PiecewiseConstantDecay({.boundaries = {1}, .values = {1}}),
               ValueError);
  EXPECT_THROW((void)schedules::PiecewiseConstantDecay({.boundaries = {2, 1}, .values = {1, 2, 3}}),
               ValueError);
}

TEST(Schedules, DecayByAPower) {
  const auto once = schedules::PolynomialDecay(
      {.initial_learning_rate = 1, .decay_steps = 10, .end_learning_rate = 0.5, .power = 2});
  EXPECT_FLOAT_EQ((*once)(5), 0.5F * 0.25F + 0.5F);
  EXPECT_FLOAT_EQ((*once)(100), 0.5F);
  const auto cycle = schedules::PolynomialDecay({.initial_learning_rate = 1,
                                                 .decay_steps = 10,
                                                 .end_learning_rate = 0,
                                                 .power = 1,
                                                 .cycle = true});
  EXPECT_FLOAT_EQ((*cycle)(0), 1);
  EXPECT_FLOAT_EQ((*cycle)(15), 0.25F);
}

TEST(Schedules, WarmUpAndFollowACosine) {
  const auto plain =
      schedules::CosineDecay({.initial_learning_rate = 2, .decay_steps = 10, .alpha = 0.1});
  EXPECT_FLOAT_EQ((*plain)(0), 2);
  EXPECT_FLOAT_EQ((*plain)(5), 2 * (0.9F * 0.5F + 0.1F));
  EXPECT_FLOAT_EQ((*plain)(11), 0.2F);
  const auto warm = schedules::CosineDecay(
      {.initial_learning_rate = 0, .decay_steps = 10, .warmup_target = 1.0, .warmup_steps = 4});
  EXPECT_FLOAT_EQ((*warm)(1), 0.25F);
  EXPECT_FLOAT_EQ((*warm)(4), 1);
  EXPECT_FLOAT_EQ((*warm)(9), 0.5F);
  EXPECT_NEAR((*warm)(14), 0, 1e-7);
}

TEST(Schedules, RestartTheCosine) {
  const auto restarts = schedules::CosineDecayRestarts(
      {.initial_learning_rate = 1, .first_decay_steps = 10, .t_mul = 2, .m_mul = 0.5});
  EXPECT_FLOAT_EQ((*restarts)(0), 1);
  EXPECT_FLOAT_EQ((*restarts)(5), 0.5F);
  EXPECT_NEAR((*restarts)(10), 0.5F, 1e-6);
  EXPECT_NEAR((*restarts)(20), 0.25F, 1e-6);
  const auto even = schedules::CosineDecayRestarts(
      {.initial_learning_rate = 1, .first_decay_steps = 10, .t_mul = 1});
  EXPECT_FLOAT_EQ((*even)(35), 0.5F);
}

TEST(Schedules, NeedBoundariesThatAscend) {
  EXPECT_EQ(test::message_of([] {
              (void)schedules::PiecewiseConstantDecay(
                  {.boundaries = {10, 30, 20}, .values = {1, 0.5, 0.2, 0.1}});
            }),
            "The boundaries of PiecewiseConstantDecay have to ascend. Received: boundaries=[10, "
            "30, 20]");
}

TEST(Schedules, NeedStepsAboveZero) {
  EXPECT_THROW((void)schedules::ExponentialDecay({.initial_learning_rate = 1}), ValueError);
  EXPECT_THROW((void)schedules::CosineDecay({.initial_learning_rate = 1, .decay_steps = -3}),
               ValueError);
  EXPECT_THROW((void)schedules::CosineDecayRestarts({}), ValueError);
  EXPECT_THROW((void)schedules::PolynomialDecay({}), ValueError);
  EXPECT_THROW((void)schedules::InverseTimeDecay({}), ValueError);
}

TEST(Specs, MakeOptimizersWithNestedSchedules) {
  const OptimizerPtr optimizer = training::make_optimizer(
      "SGD:momentum=0.9,learning_rate=ExponentialDecay(initial_learning_rate=0.1,decay_steps=1,"
      "decay_rate=0.5),nesterov=true,clipnorm=2");
  EXPECT_EQ(optimizer->class_name(), "SGD");
  EXPECT_FLOAT_EQ(static_cast<float>(optimizer->learning_rate()), 0.1F);
  EXPECT_EQ(optimizer->options().clipnorm, 2.0);
  EXPECT_FALSE(optimizer->options().clipvalue.has_value());
  EXPECT_EQ(training::make_optimizer("adam")->class_name(), "Adam");
}

TEST(Specs, SayWhatTheyDoNotKnow) {
  const auto refuse = [](const char* text, const char* part) {
    const std::string message = test::message_of([&] { (void)training::make_optimizer(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  refuse("Adam:learning_rat=1", "learning_rate");
  refuse("Adam:beta_1=fast", "a number");
  refuse("Adam:amsgrad=maybe", "true or false");
  refuse("Adam:beta_1", "key=value");
  refuse("Adamant", "RMSprop");
  refuse("SGD:learning_rate=Wavy(a=1)", "CosineDecay");
  for (const char* rate : {"abc", "0.1x", "1e999", "CosineDecay"}) {
    const std::string text = std::string("SGD:learning_rate=").append(rate);
    refuse(text.c_str(), "SGD: the option learning_rate=");
    refuse(text.c_str(), "should be a number, or a schedule as CosineDecay(");
  }
  EXPECT_NE(test::message_of([] { (void)training::make_loss("Huber:delt=1"); }).find("delta"),
            std::string::npos);
}

}  // namespace
}  // namespace lamina
