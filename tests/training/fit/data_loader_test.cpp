// Batches made on a thread of their own.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>

#include "tests/fakes/captured_warnings.h"
#include "tests/training/fit/loaders.h"
#include "training/fit/data.h"
#include "training/fit/read_ahead.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

FitOptions options(std::vector<CallbackPtr> callbacks = {}) {
  return {.batch_size = 10,
          .epochs = 3,
          .verbose = Verbose::kSilent,
          .callbacks = std::move(callbacks),
          .shuffle = false,
          .seed = 5};
}

TEST(DataLoader, TrainsAsTheSameArraysDo) {
  Random random;
  const Spokes data(random, 60);
  const ModelPtr arrays = compiled_classifier(), loaded = compiled_classifier();
  const auto loader = std::make_shared<Rows>(data);
  const History a = arrays->fit(data.x, data.y, options()), b = loaded->fit(loader, options());
  expect_same_bits(*arrays, *loaded);
  EXPECT_EQ(a.history, b.history);
  ASSERT_EQ(loader->asked.size(), 19u);  // one to prepare
  for (std::int64_t i = 0; i < 18; ++i) {
    EXPECT_EQ(loader->asked[static_cast<std::size_t>(i) + 1],
              (std::array<std::int64_t, 3>{i / 6, i % 6, 5}));
  }
}

TEST(DataLoader, GoesOnWhereTheRunStopped) {
  Random random;
  const Spokes data(random, 60);
  for (const bool shuffle : {false, true}) {
    const Scratch scratch;
    const auto with = [&] {
      FitOptions given =
          options({callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}-{batch}.weights.h5",
                                               .save_freq = 4,
                                               .asynchronous = true})});
      given.shuffle = shuffle;
      return given;
    };
    const ModelPtr whole = compiled_classifier(), resumed = compiled_classifier(2);
    const auto all = std::make_shared<Rows>(data), rest = std::make_shared<Rows>(data);
    (void)whole->fit(all, with());
    FitOptions from = with();
    from.resume_from = scratch / "2-2.weights.h5";
    (void)resumed->fit(rest, from);
    expect_same_bits(*whole, *resumed);
    ASSERT_EQ(rest->asked.size(), 1U + 4 + 6);
    EXPECT_TRUE(std::equal(rest->asked.begin() + 1, rest->asked.end(), all->asked.end() - 10));
  }
}

TEST(DataLoader, IsTakenInANewOrderEachEpoch) {
  Random random;
  const Spokes data(random, 97), held(random, 40);  // 10 batches
  const auto asked = [&](std::int64_t steps) {
    const auto loader = std::make_shared<Rows>(data), validation = std::make_shared<Rows>(held);
    FitOptions given = options();
    given.shuffle = true;
    given.validation_data = validation;
    if (steps > 0) {
      given.steps_per_epoch = steps;
      given.epochs *= 10 / steps;
    }
    (void)compiled_classifier()->fit(loader, given);
    for (std::size_t i = 1; i < validation->asked.size(); ++i) {
      EXPECT_EQ(validation->asked[i][1], static_cast<std::int64_t>(i - 1) % 4);
    }
    loader->asked.erase(loader->asked.begin());  // to prepare
    return loader->asked;
  };
  const auto batches = asked(0);
  ASSERT_EQ(batches.size(), 30U);
  std::vector<std::vector<std::int64_t>> orders;
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::int64_t> order;
    for (std::size_t i = 10 * epoch; i < 10 * epoch + 10; ++i) {
      EXPECT_EQ(batches[i][0], static_cast<std::int64_t>(epoch));
      order.push_back(batches[i][1]);
    }
    EXPECT_EQ(order, training::shuffled(10, 5, static_cast<std::int64_t>(epoch)));
    orders.push_back(std::move(order));
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
  EXPECT_EQ(asked(5), batches) << "a pass in two epochs has one order";
}

TEST(DataLoader, ThatIsEndlessKeepsItsOrderWithAWarning) {
  Random random;
  const Spokes data(random, 60);
  const auto warned = [&](bool shuffle, bool endless) {
    const lamina::testing::CapturedWarnings warnings;
    const auto loader = std::make_shared<Rows>(data, endless);
    FitOptions given = options();
    given.shuffle = shuffle;
    given.steps_per_epoch = 3;
    (void)compiled_classifier()->fit(loader, given);
    if (endless) {
      for (std::int64_t i = 0; i < 9; ++i) {
        EXPECT_EQ(loader->asked.at(static_cast<std::size_t>(i) + 1)[1], i);
      }
    }
    return warnings.all;
  };
  EXPECT_THAT(warned(true, true),
              ElementsAre(AllOf(HasSubstr("`shuffle=True` was passed, but will be ignored"),
                                HasSubstr("infinite DataLoader"))));
  EXPECT_THAT(warned(false, true), IsEmpty());
  EXPECT_THAT(warned(true, false), IsEmpty());
}

TEST(DataLoader, ItsFailureEndsFitAtThatBatch) {
  Random random;
  const Spokes data(random, 60);
  const auto loader = std::make_shared<Rows>(data);
  loader->fails_at = 4;
  const ModelPtr model = compiled_classifier();
  EXPECT_THAT(message_of([&] { (void)model->fit(loader, options()); }), HasSubstr("no batch 4"));
  EXPECT_EQ(model->optimizer()->steps(), 4);
}

TEST(DataLoader, SaysWhatIsWrong) {
  Random random;
  const Spokes data(random, 60), none(random, 0);
  const ModelPtr model = compiled_classifier();
  const auto refusal = [&](const DataLoaderPtr& loader, const FitOptions& o) {
    return message_of([&] { (void)model->fit(loader, o); });
  };
  EXPECT_THAT(refusal(std::make_shared<Rows>(none), options()), HasSubstr("0 batches"));
  EXPECT_THAT(refusal(nullptr, options()), HasSubstr("null"));
  FitOptions split = options();
  split.validation_split = 0.1;
  EXPECT_THAT(refusal(std::make_shared<Rows>(data), split), HasSubstr("need arrays"));
}

TEST(ReadAhead, StaysTwoAheadAtMostAndStopsWhenNobodyTakesMore) {
  std::atomic<int> made = 0;
  {
    training::ReadAhead ahead(0, 1000, [&](std::int64_t) {
      ++made;
      return DataSet();
    });
    for (int i = 0; i < 10; ++i) (void)ahead.next();
  }
  EXPECT_GE(made, 10);
  EXPECT_LE(made, 13);
}

}  // namespace
}  // namespace lamina
