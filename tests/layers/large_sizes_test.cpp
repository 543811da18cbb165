// Sizes that a configuration may ask for, beyond what there is memory for: a clear error, and
// nothing that grows with the number before that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <random>

#include "core/free_memory.h"
#include "layers/recurrent/recurrence.h"
#include "tests/fakes/cost_of.h"
#include "tests/fresh_seed.h"
#include "tests/layers/execute.h"

namespace lamina {
namespace {

using ::testing::AllOf;
using testing::cost_of;
using testing::execute;
using testing::expect_at_most;
using ::testing::HasSubstr;
using testing::kMostForBadInput;

template <class E, class F>
std::string message_of(const F& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(LargeSizes, RepeatVectorRepeatsAnyNumberOfTimesByFewOperations) {
  std::mt19937 random(test::fresh_seed());
  for (const std::int64_t n : {std::int64_t{64}, std::int64_t{65}, std::int64_t{4096},
                               static_cast<std::int64_t>(100 + random() % 9000)}) {
    SCOPED_TRACE(n);
    Tensor x = Tensor::empty({3, 2});
    for (float& v : x.data<float>()) v = static_cast<float>(random() % 1000);
    const LayerRef layer = layers::RepeatVector({.n = n});
    const Tensor y = execute(*layer, {x}).at(0);
    ASSERT_EQ(y.shape(), (Shape{3, n, 2}));
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const auto at = static_cast<std::size_t>(i / (2 * n) * 2 + i % 2);
      ASSERT_EQ(y.data<float>()[static_cast<std::size_t>(i)], x.data<float>()[at]) << i;
    }
  }
  expect_at_most(cost_of([] {
                   graph::Program program = testing::program_of({Tensor::zeros({1, 1})});
                   graph::Builder builder(program);
                   const LayerRef layer = layers::RepeatVector({.n = std::int64_t{1} << 40});
                   (void)layers::Access::lower(*layer, builder, program.inputs, layers::CallForm{});
                   EXPECT_LT(program.ops.size(), 20U);
                 }),
                 kMostForBadInput);
}

TEST(LargeSizes, ASequenceOfMoreStepsThanCanBeComputedIsRefused) {
  const Tensor x = Tensor::zeros({1, layers::kMostSteps + 1, 1});
  for (const LayerRef& layer :
       {layers::SimpleRNN({.units = 1}), layers::LSTM({.units = 1}), layers::GRU({.units = 1})}) {
    layer->build({x.shape()});
    const auto run = [&] {
      EXPECT_THAT(message_of<ValueError>([&] { (void)execute(*layer, {x}); }),
                  AllOf(HasSubstr(layer->name()), HasSubstr("131073 steps"), HasSubstr("131072")));
    };
    expect_at_most(cost_of(run), kMostForBadInput);
  }
}

// Variables have no values before they are asked for, of which there may be no room.
TEST(LargeSizes, AModelOfThemIsMadeAndItsValuesAreRefused) {
  if (core::host_memory() == SIZE_MAX) GTEST_SKIP() << "the system does not tell its memory";
  const auto units = static_cast<std::int64_t>(core::host_memory() / 4 / sizeof(float)) + 1;
  const auto run = [&] {
    const auto x = layers::Input({.shape = {8}});
    const ModelPtr model =
        Functional::create(x, layers::Dense({.units = units, .name = "wide"})(x));
    model->compile({.optimizer = "adam", .loss = "mse"});
    const ModelPtr read = Model::from_json_text(model->to_json());
    EXPECT_THAT(message_of<OutOfMemoryError>(
                    [&] { (void)read->get_layer("wide")->variables()[0]->value(); }),
                AllOf(HasSubstr("wide/kernel"), HasSubstr("bytes of host memory")));
  };
  expect_at_most(cost_of(run), kMostForBadInput);
}

}  // namespace
}  // namespace lamina
