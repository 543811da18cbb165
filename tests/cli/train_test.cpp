// lamina train, from the shell's side: what a whole run does. Checkpoints:
// train_checkpoints_test.cpp; models that were compiled: train_compiled_test.cpp.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include "tests/cli/train_scene.h"
#include "tests/fakes/event_reader.h"
#include "tests/h5/hdf5_image.h"

using namespace lamina;
using lamina::testing::file_content;
using lamina::testing::finish_program;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::start_program;
using lamina::testing::Train;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

/// The runs of the command beside the same by the library.
class TrainAsTheLibrary : public Train {
 protected:
  /// What the fixture's command does, written to "hand.weights.h5".
  History by_hand(FitOptions options, const std::string& weights = "", bool from_logits = false) {
    set_random_seed(3);
    const ModelPtr model = Model::from_json(directory_ / "model.json");
    model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}),
                    .loss = losses::SparseCategoricalCrossentropy({.from_logits = from_logits}),
                    .metrics = {"accuracy"}});
    if (!weights.empty()) model->load_weights(directory_ / weights);
    options.batch_size = 16;
    options.seed = 3;
    options.verbose = Verbose::kSilent;
    History history = model->fit(x_, y_, options);
    model->save_weights(directory_ / "hand.weights.h5");
    return history;
  }
  Tensor x_ = read_npy(directory_ / "x.npy"), y_ = read_npy(directory_ / "y.npy");
};

TEST_F(Train, WritesWeightsAndALineAStep) {
  const Outcome run = train({"--epochs", "3", "--metric", "accuracy", "--history", "h.csv",
                             "--weights-out", "w.weights.h5"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("Epoch 3/3"));
  const std::string history = file_content(directory_ / "h.csv");
  EXPECT_THAT(history, HasSubstr("step,epoch,loss,accuracy,learning_rate\n1,1,"));
  EXPECT_THAT(history, HasSubstr("\n12,3,"));
  EXPECT_EQ(std::count(history.begin(), history.end(), '\n'), 13);
  EXPECT_TRUE(std::filesystem::exists(directory_ / "w.weights.h5"));
}

TEST_F(Train, TakesMetricsWithTheirOptions) {
  for (const char* metric : {"SparseTopKCategoricalAccuracy:k=3,name=top",
                             "SparseTopKCategoricalAccuracy(k=3,name=top)"}) {
    const Outcome run =
        train({"--metric", metric, "--history", "h.csv", "--weights-out", "w.weights.h5"});
    ASSERT_EQ(run.status, 0) << run.err;
    // One of the three classes is always among the first three.
    EXPECT_THAT(
        file_content(directory_ / "h.csv"),
        AllOf(HasSubstr("step,epoch,loss,top,learning_rate\n1,1,"), HasSubstr(",1,0.01\n")));
    std::filesystem::remove(directory_ / "h.csv");
  }
}

TEST_F(TrainAsTheLibrary, BeginsWithTheWeightsAndTheOptimizerThatItIsGiven) {
  (void)trained({"--epochs", "2", "--weights-out", "first.weights.h5"});
  (void)trained({"--epochs", "2", "--weights", "first.weights.h5", "--history", "h.csv",
                 "--weights-out", "w.weights.h5"});
  (void)by_hand({.epochs = 2}, "first.weights.h5");
  expect_equal("w.weights.h5", "hand.weights.h5");
  // The optimizer's step goes on too.
  EXPECT_THAT(file_content(directory_ / "h.csv"), HasSubstr("learning_rate\n9,1,"));
}

TEST_F(TrainAsTheLibrary, TakesTheSamplesInTheirOrderIfAsked) {
  (void)trained({"--epochs", "2", "--weights-out", "shuffled.weights.h5"});
  (void)trained({"--epochs", "2", "--no-shuffle", "--weights-out", "w.weights.h5"});
  (void)by_hand({.epochs = 2, .shuffle = false});
  expect_equal("w.weights.h5", "hand.weights.h5");
  (void)by_hand({.epochs = 2});
  expect_equal("shuffled.weights.h5", "hand.weights.h5");
  EXPECT_EQ(run_lamina(directory_.path(), {"diff", "w.weights.h5", "shuffled.weights.h5"}).status,
            1);
}

TEST_F(TrainAsTheLibrary, TakesTheOptionsOfALoss) {
  (void)trained({"--weights-out", "probabilities.weights.h5"});
  (void)trained({"--loss", "SparseCategoricalCrossentropy:from_logits=true", "--weights-out",
                 "w.weights.h5"});
  (void)by_hand({}, "", true);
  expect_equal("w.weights.h5", "hand.weights.h5");
  EXPECT_EQ(
      run_lamina(directory_.path(), {"diff", "w.weights.h5", "probabilities.weights.h5"}).status,
      1);
}

TEST_F(TrainAsTheLibrary, ComputesOnTheCpuIfAsked) {
  (void)trained({"--device", "cpu", "--weights-out", "w.weights.h5"});
  (void)by_hand({});
  expect_equal("w.weights.h5", "hand.weights.h5");
}

TEST_F(TrainAsTheLibrary, ShowsHowItDoesOnTheValidationData) {
  Tensor x = Tensor::empty({7, 4}), y = Tensor::empty({7}, DType::kInt64);
  for (float& v : x.data<float>()) v = static_cast<float>(random_() % 1000) / 1000;
  for (std::int64_t& v : y.data<std::int64_t>()) v = static_cast<std::int64_t>(random_() % 3);
  write_npy(directory_ / "vx.npy", x);
  write_npy(directory_ / "vy.npy", y);
  const Outcome run =
      trained({"--epochs", "2", "--metric", "accuracy", "--validation-data", "vx.npy",
               "--validation-labels", "vy.npy", "--weights-out", "w.weights.h5"});
  const History history = by_hand({.epochs = 2, .validation_data = DataSet(x, y)});
  expect_equal("w.weights.h5", "hand.weights.h5");
  for (const double loss : history.history.at("val_loss")) {
    EXPECT_THAT(run.err, HasSubstr(fmt::format(" - val_loss: {:.4f}\n", loss)));
  }
  EXPECT_THAT(run.err, HasSubstr(" - val_accuracy: "));
}

TEST_F(TrainAsTheLibrary, WritesWhatTensorBoardShows) {
  (void)trained({"--epochs", "2", "--metric", "accuracy", "--validation-data", "x.npy",
                 "--validation-labels", "y.npy", "--tensorboard", "logs"});
  const auto h = by_hand({.epochs = 2, .validation_data = DataSet(x_, y_)}).history;
  const auto read = [&](const char* folder) {
    std::vector<lamina::testing::Scalar> of_losses;
    const auto files = lamina::testing::event_files(directory_ / "logs" / folder);
    EXPECT_EQ(files.size(), 1U);
    for (const auto& scalar : lamina::testing::read_event_file(files.at(0))) {
      if (scalar.tag == "epoch_loss") of_losses.push_back(scalar);
    }
    return of_losses;
  };
  const auto losses = [](const std::vector<double>& values) {
    return std::vector<lamina::testing::Scalar>{{"epoch_loss", 0, static_cast<float>(values[0])},
                                                {"epoch_loss", 1, static_cast<float>(values[1])}};
  };
  EXPECT_EQ(read("train"), losses(h.at("loss")));
  EXPECT_EQ(read("validation"), losses(h.at("val_loss")));
  std::ofstream(directory_ / "file") << "no directory";
  EXPECT_THAT(refusal({"--tensorboard", "file"}), HasSubstr("file/train"));
}

TEST_F(Train, ReadsArraysOfHDF5Files) {
  const Tensor x = read_npy(directory_ / "x.npy"), y = read_npy(directory_ / "y.npy");
  h5::test::Hdf5Image image;
  image.dataset("train/images", H5T_IEEE_F32LE, {60, 4}, x.raw());
  image.dataset("labels", H5T_STD_I64LE, {60}, y.raw());
  const auto bytes = image.bytes();
  std::ofstream(directory_ / "data.h5", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  (void)trained({"--data", "data.h5:train/images", "--labels", "data.h5:labels", "--weights-out",
                 "h5.weights.h5"});
  (void)trained({"--weights-out", "npy.weights.h5"});
  expect_equal("h5.weights.h5", "npy.weights.h5");
  EXPECT_THAT(refusal({"--data", "data.h5:images", "--history", "h.csv"}),
              HasSubstr("has no dataset 'images'"));
}

TEST_F(Train, RepeatsItselfWithASeed) {
  (void)trained({"--history", "a.csv", "--weights-out", "a.weights.h5"});
  (void)trained({"--history", "b.csv", "--weights-out", "b.weights.h5"});
  (void)trained({"--history", "c.csv", "--weights-out", "c.weights.h5", "--seed", "4"});
  expect_equal("a.weights.h5", "b.weights.h5");
  EXPECT_EQ(file_content(directory_ / "a.csv"), file_content(directory_ / "b.csv"));
  EXPECT_NE(file_content(directory_ / "a.csv"), file_content(directory_ / "c.csv"));
}

TEST_F(Train, BeginsWithTheWeightsOfAnArchive) {
  const std::string archive = std::string(LAMINA_SOURCE_DIR) + "/tests/models/data/cnn.keras";
  const ModelPtr model = Model::load(archive);
  std::vector<std::int64_t> labels = model->outputs().at(0).shape().dims();
  labels[0] = 6;
  Tensor x = Tensor::empty({6, 9, 8, 3}), y = Tensor::empty(Shape(labels));
  for (float& v : x.data<float>()) v = static_cast<float>(random_() % 256);
  for (float& v : y.data<float>()) v = static_cast<float>(random_() % 1000) / 1000;
  write_npy(directory_ / "x.npy", x);
  write_npy(directory_ / "y.npy", y);
  const Outcome run = run_lamina(
      directory_.path(),
      {"train", archive, "--data", "x.npy", "--labels", "y.npy", "--loss", "MeanSquaredError",
       "--optimizer", "SGD:learning_rate=0.01", "--seed", "3", "--weights-out", "w.weights.h5"});
  ASSERT_EQ(run.status, 0) << run.err;
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.01}), .loss = "mse"});
  (void)model->fit(x, y, {.verbose = Verbose::kSilent, .seed = 3});
  model->save_weights(directory_ / "hand.weights.h5");
  expect_equal("w.weights.h5", "hand.weights.h5");
}

TEST_F(Train, MakesAnApplicationWithItsOptions) {
  Tensor x = Tensor::empty({2, 32, 32, 3}), y = Tensor::empty({2}, DType::kInt64);
  for (float& v : x.data<float>()) v = static_cast<float>(random_() % 256);
  for (std::int64_t& v : y.data<std::int64_t>()) v = static_cast<std::int64_t>(random_() % 3);
  write_npy(directory_ / "x.npy", x);
  write_npy(directory_ / "y.npy", y);
  const Outcome run = run_lamina(
      directory_.path(),
      {"train", "EfficientNetV2B0:input_shape=32x32x3,classes=3", "--data", "x.npy", "--labels",
       "y.npy", "--loss", "SparseCategoricalCrossentropy", "--history", "h.csv", "--seed", "3"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(file_content(directory_ / "h.csv"), ::testing::StartsWith("step,epoch,loss,learning_"
                                                                        "rate\n1,1,"));
}

TEST_F(Train, RefusesDataThatDoNotSuitTheModel) {
  const auto data = [&](const Shape& x, const Shape& y, std::int64_t label) {
    write_npy(directory_ / "x.npy", Tensor::zeros(x));
    Tensor labels = Tensor::empty(y, DType::kInt64);
    for (std::int64_t& v : labels.data<std::int64_t>()) v = label;
    write_npy(directory_ / "y.npy", labels);
    return refusal({"--weights-out", "w.weights.h5"});
  };
  EXPECT_THAT(data({0, 4}, {0}, 0), HasSubstr("There are no samples in the training data"));
  EXPECT_THAT(data({6, 4}, {5}, 0), AllOf(HasSubstr("6 samples"), HasSubstr("has 5")));
  EXPECT_THAT(data({6, 3}, {6}, 0),
              AllOf(HasSubstr("expected shape (None, 4)"), HasSubstr("(None, 3)")));
  EXPECT_THAT(data({6, 4}, {6}, 3), AllOf(HasSubstr("the label 3 "), HasSubstr("[0, 3)")));
  EXPECT_THAT(data({6, 4}, {6}, -1), HasSubstr("the label -1 "));
  EXPECT_FALSE(exists("w.weights.h5"));
}

TEST_F(Train, NeedsNobodyWhoReadsWhatItSays) {
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"-c", "exec \"$0\" \"$@\" 2>/dev/full", LAMINA_BINARY};
    const std::vector<std::string> own = with(more);
    arguments.insert(arguments.end(), own.begin(), own.end());
    return finish_program(directory_.path(),
                          start_program("/bin/sh", directory_.path(), std::move(arguments)));
  };
  EXPECT_EQ(run({"--epochs", "2", "--weights-out", "full.weights.h5"}).status, 0);
  EXPECT_EQ(run({"--metric", "nonsense", "--history", "h.csv"}).status, 2);
  (void)trained({"--epochs", "2", "--weights-out", "w.weights.h5"});
  expect_equal("w.weights.h5", "full.weights.h5");
}

TEST_F(Train, RefusesToTrainForNothing) {
  const auto nothing =
      AllOf(HasSubstr("Nothing would be left of this training"), HasSubstr("--weights-out"),
            HasSubstr("--checkpoint-dir"), HasSubstr("--history"), Not(HasSubstr("Epoch")));
  EXPECT_THAT(refusal({}), nothing);
  EXPECT_THAT(refusal({"--validation-data", "x.npy", "--validation-labels", "y.npy"}), nothing);
  (void)trained({"--history", "h.csv"});
  EXPECT_TRUE(exists("h.csv"));
}

TEST_F(Train, SaysWhatIsWrongOnOneLine) {
  EXPECT_THAT(refusal({"--resume"}), HasSubstr("--resume needs --checkpoint-dir"));
  for (const char* option : {"--checkpoint-every", "--max-to-keep"}) {
    EXPECT_THAT(refusal({option, "2"}), AllOf(HasSubstr(option), HasSubstr("--checkpoint-dir")));
  }
  EXPECT_THAT(refusal({"--validation-data", "x.npy"}), HasSubstr("belong together"));
  const auto refused = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--history", "h.csv"});
    return refusal(more);
  };
  EXPECT_THAT(refused({"--metric", "nonsense"}), HasSubstr("There is no metric 'nonsense'"));
  EXPECT_THAT(refused({"--metric", "AUC:curve=LIFT"}), HasSubstr("LIFT"));
  EXPECT_THAT(refused({"--metric", "accuracy:name=x"}), HasSubstr("takes no options"));
  EXPECT_THAT(refused({"--optimizer", "Adam:learning_rate=abc"}),
              HasSubstr("the option learning_rate=abc should be a number"));
  EXPECT_THAT(refused({"--device", "cuda:99"}), HasSubstr("cuda:99"));
  EXPECT_THAT(refusal({"--history", "none/h.csv"}), HasSubstr("none/h.csv"));
  EXPECT_THAT(refusal({"--weights-out", "w.h5", "--history", "h.csv"}), HasSubstr(".weights.h5"));
  EXPECT_THAT(refusal({"--weights-out", "none/w.weights.h5", "--history", "h.csv"}),
              HasSubstr("/none'"));
  EXPECT_FALSE(exists("h.csv")) << "trained what cannot be written";
  EXPECT_THAT(refused({"--validation-data", "none.h5:x", "--validation-labels", "y.npy"}),
              HasSubstr("none.h5"));
  std::ofstream(directory_ / "some.h5") << "not HDF5";
  EXPECT_THAT(refused({"--validation-data", "some.h5", "--validation-labels", "y.npy"}),
              HasSubstr("which dataset? Write some.h5:NAME"));
  EXPECT_THAT(refused({"--validation-data", "some.h5:x", "--validation-labels", "y.npy"}),
              HasSubstr("some.h5"));
}

}  // namespace
