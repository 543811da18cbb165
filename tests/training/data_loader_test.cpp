// Batches made on a thread of their own.
#include <gmock/gmock.h>

#include <atomic>

#include "loaders.h"
#include "training/read_ahead.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

ModelPtr compiled(std::uint64_t seed = 1) {
  const ModelPtr model = classifier(seed);
  model->compile(
      {.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

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
  const ModelPtr arrays = compiled(), loaded = compiled();
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
  const Scratch scratch;
  const auto checkpoint = [&] {
    return callbacks::ModelCheckpoint(
        {.filepath = scratch / "{epoch}-{batch}.weights.h5", .save_freq = 4, .asynchronous = true});
  };
  const ModelPtr whole = compiled(), resumed = compiled(2);
  (void)whole->fit(std::make_shared<Rows>(data), options({checkpoint()}));
  FitOptions from = options({checkpoint()});
  from.resume_from = scratch / "2-2.weights.h5";
  const auto loader = std::make_shared<Rows>(data);
  (void)resumed->fit(loader, from);
  expect_same_bits(*whole, *resumed);
  EXPECT_EQ(loader->asked.size(), 1u + 4 + 6);
}

TEST(DataLoader, ItsFailureEndsFitAtThatBatch) {
  Random random;
  const Spokes data(random, 60);
  const auto loader = std::make_shared<Rows>(data);
  loader->fails_at = 4;
  const ModelPtr model = compiled();
  EXPECT_THAT(message_of([&] { (void)model->fit(loader, options()); }), HasSubstr("no batch 4"));
  EXPECT_EQ(model->optimizer()->steps(), 4);
}

TEST(DataLoader, SaysWhatIsWrong) {
  Random random;
  const Spokes data(random, 60), none(random, 0);
  const ModelPtr model = compiled();
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
