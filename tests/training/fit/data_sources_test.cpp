// fit, evaluate and predict on arrays and loaders alike, whole or some steps of them.
#include <gmock/gmock.h>

#include "tests/fakes/captured_warnings.h"
#include "tests/training/fit/loaders.h"
#include "training/fit/feed.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

FitOptions options(FitOptions with) {
  with.verbose = Verbose::kSilent;
  with.seed = 5;
  return with;
}

EvaluateOptions quiet(EvaluateOptions with = {}) {
  with.verbose = Verbose::kSilent;
  return with;
}

/// The first rows of a tensor.
Tensor head(const Tensor& all, std::int64_t rows) {
  Shape shape = all.shape();
  const std::size_t bytes = all.nbytes() / static_cast<std::size_t>(shape[0]);
  shape[0] = rows;
  return Tensor::from_bytes(all.bytes().first(bytes * static_cast<std::size_t>(rows)), shape,
                            all.dtype());
}

TEST(Evaluate, TakesALoaderAsTheSameArrays) {
  Random random;
  const Spokes data(random, 57);
  const ModelPtr model = compiled_classifier();
  const auto loader = std::make_shared<Rows>(data);
  const Logs arrays = model->evaluate(data.x, data.y, quiet({.batch_size = 10}));
  EXPECT_EQ(model->evaluate(loader, quiet()), arrays);
  ASSERT_EQ(loader->asked.size(), 6U);
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_THAT(loader->asked[static_cast<std::size_t>(i)], ElementsAre(0, i, 0));
  }
  const auto endless = std::make_shared<Rows>(data, true);
  EXPECT_EQ(model->evaluate(endless, quiet({.steps = 6})), arrays);
}

TEST(Evaluate, TakesSomeSteps) {
  Random random;
  const Spokes data(random, 57);
  const ModelPtr model = compiled_classifier();
  const Tensor x = head(data.x, 20), y = head(data.y, 20);
  const Logs first = model->evaluate(x, y, quiet({.batch_size = 10}));
  const CapturedWarnings warnings;
  EXPECT_EQ(model->evaluate(data.x, data.y, quiet({.batch_size = 10, .steps = 2})), first);
  EXPECT_EQ(model->evaluate(std::make_shared<Rows>(data), quiet({.steps = 2})), first);
  EXPECT_THAT(warnings.all, IsEmpty());
  // Without a batch size the steps are all of the data, as in Keras: 29 and 28 rows.
  EXPECT_EQ(model->evaluate(data.x, data.y, quiet({.steps = 2})),
            model->evaluate(data.x, data.y, quiet({.batch_size = 29})));
  EXPECT_THAT(warnings.all, IsEmpty());
  const Logs all = model->evaluate(data.x, data.y, quiet({.batch_size = 10}));
  EXPECT_EQ(model->evaluate(data.x, data.y, quiet({.batch_size = 10, .steps = 7})), all);
  EXPECT_EQ(model->evaluate(std::make_shared<Rows>(data), quiet({.steps = 8})), all);
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("Your input ran out of data; interrupting evaluation."),
                                HasSubstr("6 of 7 steps")),
                          HasSubstr("6 of 8 steps")));
}

TEST(Predict, TakesALoaderAsTheSameArrays) {
  Random random;
  const Spokes data(random, 57);
  const ModelPtr model = classifier();
  const auto loader = std::make_shared<Rows>(data);
  loader->without_labels = true;
  const std::vector<Tensor> predicted = model->predict(loader);
  ASSERT_EQ(predicted.size(), 1U);
  const Tensor arrays = model->predict(data.x, {.batch_size = 10});
  EXPECT_TRUE(bitwise_equal(predicted[0], arrays));
  EXPECT_EQ(loader->asked.size(), 6U);
  const CapturedWarnings warnings;
  EXPECT_TRUE(bitwise_equal(model->predict(loader, {.steps = 3})[0], head(arrays, 30)));
  EXPECT_TRUE(
      bitwise_equal(model->predict(data.x, {.batch_size = 10, .steps = 3}), head(arrays, 30)));
  EXPECT_EQ(model->predict(data.x, {.steps = 3}).shape(), Shape({57, 3}));
  EXPECT_THAT(warnings.all, IsEmpty());
  EXPECT_TRUE(bitwise_equal(model->predict(data.x, {.batch_size = 10, .steps = 9}), arrays));
  EXPECT_TRUE(bitwise_equal(model->predict(loader, {.steps = 9})[0], arrays));
  EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("ran out of data; interrupting predict"),
                                              HasSubstr("6 of 9 steps")),
                                        HasSubstr("6 of 9 steps")));
}

/// Two inputs, and outputs of other shapes than they.
class Pairs : public DataLoader {
 public:
  Pairs(Tensor a, Tensor b) : a_(std::move(a)), b_(std::move(b)) {}
  std::int64_t batches() const override { return a_.shape()[0]; }
  DataSet batch(std::int64_t, std::int64_t index, std::uint64_t) override {
    const auto row = [&](const Tensor& t, std::int64_t width) {
      return Tensor::from_bytes(t.bytes().subspan(static_cast<std::size_t>(4 * width * index),
                                                  static_cast<std::size_t>(4 * width)),
                                {1, width}, DType::kFloat32);
    };
    return {std::vector<Tensor>{row(a_, 3), row(b_, 2)}, std::vector<Tensor>{}};
  }

 private:
  Tensor a_, b_;
};

TEST(Predict, TakesALoaderOfSeveralInputsAndGivesEachOutput) {
  Random random;
  const auto a = layers::Input({.shape = {3}}), b = layers::Input({.shape = {2}});
  const auto joined = layers::Concatenate()({a, b});
  const auto model = Functional::create(
      {a, b}, {layers::Dense({.units = 4})(joined), layers::Dense({.units = 1})(joined)});
  const Tensor x = random.tensor({7, 3}), z = random.tensor({7, 2});
  const auto whole = model->predict({x, z}, {.batch_size = 1});
  const auto loaded = model->predict(std::make_shared<Pairs>(x, z));
  ASSERT_EQ(loaded.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(bitwise_equal(loaded[i], whole[i]));
}

TEST(OnBatch, GivesItsOwnNumbersWhateverWentBefore) {
  Random random;
  const Spokes data(random, 20), other(random, 30);
  const ModelPtr model = compiled_classifier(), twin = compiled_classifier();
  const Logs expected = model->evaluate(data.x, data.y, quiet());
  (void)model->test_on_batch(other.x, other.y);
  EXPECT_EQ(model->test_on_batch(data.x, data.y), expected);
  EXPECT_NE(model->test_on_batch(other.x, other.y), expected);
  const Logs first = twin->train_on_batch(data.x, data.y);
  EXPECT_EQ(model->train_on_batch(data.x, data.y), first);  // metrics of before do not count
  EXPECT_TRUE(
      bitwise_equal(model->predict_on_batch(data.x), model->predict(data.x, {.batch_size = 20})));
  EXPECT_TRUE(bitwise_equal(model->predict_on_batch(std::vector<Tensor>{other.x})[0],
                            model->predict(other.x, {.batch_size = 30})));
  EXPECT_THAT(message_of([&] { (void)classifier()->test_on_batch(data.x, data.y); }),
              HasSubstr("call `compile()` before calling `test_on_batch()`"));
}

TEST(OnBatch, WeighsSamplesAsEvaluateDoes) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = compiled_classifier();
  const Tensor weights = random.tensor({20}, 0, 2);
  EXPECT_EQ(model->test_on_batch(data.x, data.y, weights),
            model->evaluate(data.x, data.y, quiet({.batch_size = 20, .sample_weight = weights})));
  EXPECT_NE(model->test_on_batch(data.x, data.y, weights), model->test_on_batch(data.x, data.y));
}

using Stretches = std::vector<std::array<std::int64_t, 3>>;
Stretches stretches(const training::EpochPlan& plan, std::int64_t first, std::int64_t epochs) {
  Stretches out;
  for (std::int64_t epoch = first; epoch < first + epochs; ++epoch) {
    const training::Stretch s = plan.of(epoch);
    out.push_back({s.pass, s.first, s.count});
  }
  return out;
}

TEST(EpochPlan, GoesOnWhereTheEpochBeforeStopped) {
  using training::EpochPlan;
  EXPECT_EQ(stretches(EpochPlan(6, {}, "", 0), 0, 3), (Stretches{{0, 0, 6}, {1, 0, 6}, {2, 0, 6}}));
  EXPECT_EQ(stretches(EpochPlan(6, {}, "", 2), 2, 2), (Stretches{{2, 0, 6}, {3, 0, 6}}));
  EXPECT_EQ(stretches(EpochPlan(6, 3, "", 0), 0, 3), (Stretches{{0, 0, 3}, {0, 3, 3}, {1, 0, 3}}));
  EXPECT_EQ(stretches(EpochPlan(6, 4, "", 0), 0, 3), (Stretches{{0, 0, 4}, {0, 4, 2}, {1, 0, 4}}));
  EXPECT_EQ(stretches(EpochPlan(6, 4, "", 7), 7, 3), (Stretches{{7, 0, 4}, {7, 4, 2}, {8, 0, 4}}));
  EXPECT_EQ(stretches(EpochPlan(6, 9, "", 0), 0, 2), (Stretches{{0, 0, 6}, {1, 0, 6}}));
  EXPECT_EQ(stretches(EpochPlan(DataLoader::kEndless, 4, "", 0), 0, 3),
            (Stretches{{0, 0, 4}, {0, 4, 4}, {0, 8, 4}}));
  EXPECT_THAT(message_of([] { (void)EpochPlan(DataLoader::kEndless, {}, "some_steps", 0); }),
              AllOf(HasSubstr("endless"), HasSubstr("`some_steps`")));
}

TEST(StepsPerEpoch, TakesALoadersBatchesInTurn) {
  Random random;
  const Spokes data(random, 57);  // 6 batches
  const auto asked = [&](FitOptions with, bool endless = false) {
    const auto loader = std::make_shared<Rows>(data, endless);
    (void)compiled_classifier()->fit(loader, options(std::move(with)));
    loader->asked.erase(loader->asked.begin());  // to prepare
    return loader->asked;
  };
  const CapturedWarnings warnings;
  using Asked = std::vector<std::array<std::int64_t, 3>>;
  EXPECT_EQ(asked({.epochs = 2, .shuffle = false, .steps_per_epoch = 3}),
            (Asked{{0, 0, 5}, {0, 1, 5}, {0, 2, 5}, {0, 3, 5}, {0, 4, 5}, {0, 5, 5}}));
  EXPECT_EQ(asked({.epochs = 3, .shuffle = false, .steps_per_epoch = 2}, true),
            (Asked{{0, 0, 5}, {0, 1, 5}, {0, 2, 5}, {0, 3, 5}, {0, 4, 5}, {0, 5, 5}}));
  EXPECT_THAT(warnings.all, IsEmpty());
  EXPECT_EQ(asked({.epochs = 3, .shuffle = false, .initial_epoch = 1, .steps_per_epoch = 4}),
            (Asked{{1, 0, 5}, {1, 1, 5}, {1, 2, 5}, {1, 3, 5}, {1, 4, 5}, {1, 5, 5}}));
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("Your input ran out of data; interrupting training."),
                                HasSubstr("2 of 4 steps"))));
}

TEST(StepsPerEpoch, OfArraysIsAPassOverThemAsInKeras) {
  Random random;
  const Spokes data(random, 57);
  const ModelPtr a = compiled_classifier(), b = compiled_classifier(), c = compiled_classifier(),
                 d = compiled_classifier();
  const History by_steps =
      a->fit(data.x, data.y,
             options({.epochs = 2, .validation_split = 0.2, .steps_per_epoch = 4}));  // 45 train
  EXPECT_EQ(
      by_steps.history,
      b->fit(data.x, data.y, options({.batch_size = 12, .epochs = 2, .validation_split = 0.2}))
          .history);
  expect_same_bits(*a, *b);
  // 6 batches in three epochs of 2 are the same as in one, shuffled once.
  (void)c->fit(data.x, data.y, options({.batch_size = 10, .epochs = 3, .steps_per_epoch = 2}));
  (void)d->fit(data.x, data.y, options({.batch_size = 10, .epochs = 1}));
  expect_same_bits(*c, *d);
}

TEST(Validation, TakesALoaderAsTheSameArrays) {
  Random random;
  const Spokes data(random, 40), held(random, 57);
  const ModelPtr a = compiled_classifier(), b = compiled_classifier();
  const auto loader = std::make_shared<Rows>(held);
  const FitOptions arrays = options({.batch_size = 10,
                                     .epochs = 4,
                                     .validation_data = DataSet(held.x, held.y),
                                     .validation_freq = 2});
  FitOptions loaded = arrays;
  loaded.validation_data = loader;
  const History whole = a->fit(data.x, data.y, arrays);
  EXPECT_EQ(whole.history.at("val_loss").size(), 2U);
  EXPECT_EQ(b->fit(data.x, data.y, loaded).history, whole.history);
  EXPECT_EQ(loader->asked.size(), 1U + 2 * 6);
  for (const auto& asked : loader->asked) EXPECT_THAT(asked, ElementsAre(0, asked[1], 0));
  const Logs after = b->evaluate(loader, quiet());
  EXPECT_EQ(after.at("loss"), whole.history.at("val_loss").back());
}

TEST(Validation, TakesSomeStepsTheSameOnesEachTime) {
  Random random;
  const Spokes data(random, 40), held(random, 57);
  const Tensor x = head(held.x, 20), y = head(held.y, 20);
  const auto history = [&](FitOptions with) {
    with.batch_size = 10;
    with.epochs = 3;
    return compiled_classifier()->fit(data.x, data.y, options(std::move(with))).history;
  };
  const auto first = history({.validation_data = DataSet(x, y)});
  const CapturedWarnings warnings;
  EXPECT_EQ(history({.validation_data = DataSet(held.x, held.y), .validation_steps = 2}), first);
  EXPECT_EQ(history({.validation_data = std::make_shared<Rows>(held), .validation_steps = 2}),
            first);
  EXPECT_EQ(history({.validation_data = std::make_shared<Rows>(held, true), .validation_steps = 2}),
            first);
  EXPECT_THAT(warnings.all, IsEmpty());
  const auto all = history({.validation_data = DataSet(held.x, held.y)});
  EXPECT_NE(all, first);
  EXPECT_EQ(history({.validation_data = std::make_shared<Rows>(held), .validation_steps = 7}), all);
  EXPECT_EQ(warnings.all.size(), 3U);
  EXPECT_THAT(warnings.all[0], AllOf(HasSubstr("interrupting validation"), HasSubstr("6 of 7")));
}

TEST(Validation, TakesTheLoaderThatIsTrainedOn) {
  Random random;
  const Spokes data(random, 57);
  const ModelPtr a = compiled_classifier(), b = compiled_classifier();
  const auto one = std::make_shared<Rows>(data);  // it notes calls that overlap
  const auto history = [](const ModelPtr& model, const DataLoaderPtr& x, const DataLoaderPtr& y) {
    return model
        ->fit(x,
              options(
                  {.epochs = 6, .validation_data = y, .validation_steps = 2, .steps_per_epoch = 2}))
        .history;
  };
  EXPECT_EQ(history(a, one, one),
            history(b, std::make_shared<Rows>(data), std::make_shared<Rows>(data)));
  expect_same_bits(*a, *b);
}

TEST(DataLoader, WeighsClassesAsArraysDo) {
  Random random;
  const Spokes data(random, 57);
  const auto trained = [&](bool loader, std::map<std::int64_t, double> weights) {
    const ModelPtr model = compiled_classifier();
    const FitOptions with = options(
        {.batch_size = 10, .epochs = 2, .shuffle = false, .class_weight = std::move(weights)});
    (void)(loader ? model->fit(std::make_shared<Rows>(data), with)
                  : model->fit(data.x, data.y, with));
    return model;
  };
  expect_same_bits(*trained(false, {{1, 3.0}}), *trained(true, {{1, 3.0}}));
  EXPECT_FALSE(bitwise_equal(trained(true, {})->variables()[0]->value(),
                             trained(true, {{1, 3.0}})->variables()[0]->value()));
}

// Arrays and loaders that are shuffled, where an epoch is no pass and validation is a loader's.
TEST(Resume, WithStepsPerEpochGivesTheSameBits) {
  Random random;
  const Spokes data(random, 57), held(random, 25);
  const CapturedWarnings warnings;  // the second epoch of each pass has 2 batches only
  for (const bool loader : {false, true}) {
    const Scratch scratch;
    const auto run = [&](std::uint64_t seed, std::int64_t crash, std::int64_t epochs) {
      ModelPtr model = compiled_classifier(seed);
      const FitOptions with =
          options({.batch_size = 10,
                   .epochs = epochs,
                   .callbacks = {std::make_shared<Crash>(crash),
                                 callbacks::BackupAndRestore(
                                     {.backup_dir = scratch / "b", .save_freq = 1})},
                   .validation_data = std::make_shared<Rows>(held),
                   .validation_steps = 2,
                   .initial_epoch = 1,
                   .steps_per_epoch = 4});
      History history;
      const std::string message = message_of([&] {
        history = loader ? model->fit(std::make_shared<Rows>(data), with)
                         : model->fit(data.x, data.y, with);
      });
      EXPECT_EQ(message, crash < 100 ? "crash" : "nothing was thrown");
      return std::pair(std::move(model), std::move(history));
    };
    const auto [whole, history] = run(1, 1000, 6);
    EXPECT_EQ(whole->optimizer()->steps(), 4 + 2 + 4 + 2 + 4);
    for (const std::int64_t crash : {std::int64_t{1}, std::int64_t{3}, std::int64_t{4},
                                     std::int64_t{5}, std::int64_t{6}, random.integer(7, 15)}) {
      (void)run(1, crash, 6);
      const auto [resumed, rest] = run(2, 1000, 6);
      expect_same_bits(*whole, *resumed);
      EXPECT_EQ(rest.history.at("loss").back(), history.history.at("loss").back()) << crash;
      EXPECT_EQ(rest.history.at("val_loss").back(), history.history.at("val_loss").back());
    }
  }
}

TEST(Resume, RefusesOtherDataThanTheStepsWereOf) {
  Random random;
  const Spokes data(random, 57), fewer(random, 50);
  const Scratch scratch;
  const auto file = scratch / "last.weights.h5";
  const auto with = [&](std::int64_t steps, std::int64_t first) {
    return options({.epochs = 4,
                    .callbacks = {callbacks::ModelCheckpoint({.filepath = file})},
                    .initial_epoch = first,
                    .steps_per_epoch = steps});
  };
  (void)compiled_classifier()->fit(std::make_shared<Rows>(data), with(3, 0));
  const auto refusal = [&](const Spokes& d, FitOptions from) {
    from.resume_from = file;
    return message_of([&] { (void)compiled_classifier()->fit(std::make_shared<Rows>(d), from); });
  };
  EXPECT_THAT(refusal(fewer, with(3, 0)), HasSubstr("6 batches of data, this one has 5"));
  EXPECT_THAT(refusal(data, with(2, 0)), HasSubstr("3 batches an epoch, this one has 2"));
  EXPECT_THAT(refusal(data, with(3, 1)), HasSubstr("0 as its initial epoch, this one has 1"));
}

TEST(DataSources, SayWhatIsWrong) {
  Random random;
  const Spokes data(random, 57), none(random, 0);
  const ModelPtr model = compiled_classifier();
  const auto empty = std::make_shared<Rows>(none), endless = std::make_shared<Rows>(data, true);
  const auto narrow = [&](std::int64_t at) {
    const auto loader = std::make_shared<Rows>(data);
    loader->narrow_at = at;
    return loader;
  };
  const auto fit = [&](FitOptions with) {
    return message_of([&] { (void)model->fit(data.x, data.y, options(std::move(with))); });
  };
  const auto evaluate = [&](const DataLoaderPtr& loader, EvaluateOptions with = {}) {
    return message_of([&] { (void)model->evaluate(loader, quiet(std::move(with))); });
  };
  const auto predict = [&](const DataLoaderPtr& loader, PredictOptions with = {}) {
    return message_of([&] { (void)model->predict(loader, with); });
  };
  EXPECT_THAT(evaluate(empty), HasSubstr("The data loader of the data has 0 batches"));
  EXPECT_THAT(evaluate(nullptr), HasSubstr("null"));
  EXPECT_THAT(predict(empty), HasSubstr("0 batches"));
  EXPECT_THAT(fit({.validation_data = empty}),
              HasSubstr("The data loader of the validation data has 0 batches"));
  EXPECT_THAT(evaluate(endless), AllOf(HasSubstr("endless"), HasSubstr("`steps`")));
  EXPECT_THAT(predict(endless), AllOf(HasSubstr("endless"), HasSubstr("`steps`")));
  EXPECT_THAT(fit({.validation_data = endless}), HasSubstr("`validation_steps`"));
  EXPECT_THAT(message_of([&] { (void)model->fit(endless, options({})); }),
              HasSubstr("`steps_per_epoch`"));
  const auto misfit = [](const std::string& of) {
    return AllOf(HasSubstr("In " + of + ": "), HasSubstr("expected shape (None, 4)"),
                 HasSubstr("(None, 3)"));
  };
  EXPECT_THAT(evaluate(narrow(2)), misfit("batch 2 of the data"));
  EXPECT_THAT(predict(narrow(0)), misfit("batch 0 of the data"));
  EXPECT_THAT(message_of([&] { (void)model->fit(narrow(5), options({})); }),
              misfit("batch 5 of the training data"));
  // Before anything is trained.
  const std::int64_t steps = model->optimizer()->steps();
  EXPECT_THAT(fit({.validation_data = narrow(0)}), misfit("batch 0 of the validation data"));
  EXPECT_THAT(fit({.validation_data = DataSet(Tensor::zeros({5, 3}), Tensor::zeros({5}))}),
              misfit("the validation data"));
  EXPECT_THAT(fit({.validation_data = DataSet(data.x, head(data.y, 9))}),
              AllOf(HasSubstr("in the validation data"), HasSubstr("57"), HasSubstr("9")));
  EXPECT_EQ(model->optimizer()->steps(), steps);
  EXPECT_THAT(evaluate(narrow(9), {.sample_weight = Tensor::zeros({57})}),
              HasSubstr("`sample_weight` needs arrays"));
  const auto unlabelled = std::make_shared<Rows>(data);
  unlabelled->without_labels = true;
  EXPECT_THAT(evaluate(unlabelled), AllOf(HasSubstr("1 outputs"), HasSubstr("0 label arrays")));
  EXPECT_THAT(evaluate(narrow(9), {.steps = 0}), HasSubstr("`steps` must be positive"));
  EXPECT_THAT(predict(narrow(9), {.steps = -1}), HasSubstr("`steps` must be positive"));
  EXPECT_THAT(message_of([&] { (void)model->predict(data.x, {.steps = 0}); }),
              HasSubstr("`steps` must be positive; received 0"));
  EXPECT_THAT(fit({.steps_per_epoch = 0}), HasSubstr("`steps_per_epoch` must be positive"));
  EXPECT_THAT(fit({.validation_steps = 0}), HasSubstr("`validation_steps` must be positive"));
  EXPECT_THAT(fit({.initial_epoch = -1}), HasSubstr("`initial_epoch` must not be negative"));
}

}  // namespace
}  // namespace lamina
