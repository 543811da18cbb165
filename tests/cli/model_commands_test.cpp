// summary, init, predict and reshard --model, from the shell's side, on models that Keras wrote.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/applications.h>
#include <lamina/layers.h>
#include <lamina/model.h>
#include <lamina/npy.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>

#include "tests/cli/binary.h"
#include "tests/fakes/file_size_limit.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"
#include "tests/h5/hdf5_image.h"

namespace fs = std::filesystem;
using namespace lamina;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

std::string model_file(const std::string& name) {
  return std::string(LAMINA_SOURCE_DIR) + "/tests/models/data/" + name;
}

class ModelCommands : public ::testing::Test {
 protected:
  Outcome lamina(const std::vector<std::string>& arguments) {
    return run_lamina(directory_.path(), arguments);
  }
  void succeeds(const std::vector<std::string>& arguments) {
    const Outcome run = lamina(arguments);
    ASSERT_EQ(run.status, 0) << run.err;
  }
  /// One line on standard error, and status 2.
  std::string refusal(const std::vector<std::string>& arguments) {
    const Outcome run = lamina(arguments);
    EXPECT_EQ(run.status, 2) << run.out << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    return run.err;
  }
  /// Random arrays for all of a model's inputs, written as x0.npy, x1.npy, ...
  std::vector<Tensor> make_inputs(const Model& model, std::int64_t rows) {
    std::vector<Tensor> out;
    for (const SymbolicTensor& input : model.inputs()) {
      std::vector<std::int64_t> dims = input.shape().dims();
      dims[0] = rows;
      Tensor array = Tensor::empty(Shape(dims));
      for (float& v : array.data<float>()) v = static_cast<float>(random_() % 3);
      write_npy(directory_ / fmt::format("x{}.npy", out.size()), array);
      out.push_back(array.cast(input.dtype()));
    }
    return out;
  }

  lamina::testing::TemporaryDirectory directory_;
  std::mt19937 random_{lamina::test::fresh_seed()};
};

TEST_F(ModelCommands, SummaryIsTheModelsOwn) {
  for (const std::string name : {"cnn.json", "cnn.keras"}) {
    const Outcome run = lamina({"summary", model_file(name)});
    EXPECT_EQ(run.status, 0) << run.err;
    const ModelPtr model =
        name == "cnn.json" ? Model::from_json(model_file(name)) : Model::load(model_file(name));
    EXPECT_EQ(run.out, model->summary());
  }
  const Outcome run = lamina({"summary", "EfficientNetV2B0:include_top=false,name=small"});
  EXPECT_THAT(run.out, AllOf(HasSubstr("Model: \"small\""), HasSubstr("5,919,312")));
}

TEST_F(ModelCommands, SummaryPrintsTheConfiguration) {
  const Outcome run = lamina({"summary", model_file("branches.json"), "--json"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, Model::from_json(model_file("branches.json"))->to_json() + "\n");
}

TEST_F(ModelCommands, ASpecThatNamesNoModelIsRefused) {
  EXPECT_THAT(refusal({"summary", "EfficientNetV2B9"}), HasSubstr("EfficientNetV2B9"));
  EXPECT_THAT(refusal({"summary", "EfficientNetV2B0:klasses=3"}), HasSubstr("klasses"));
  EXPECT_THAT(refusal({"summary", "EfficientNetV2B0:classes=three"}), HasSubstr("three"));
  EXPECT_THAT(refusal({"summary", "none.json"}), HasSubstr("none.json"));
}

TEST_F(ModelCommands, PredictComputesWhatTheModelComputes) {
  for (const std::string name : {"cnn.json", "images_and_numbers.json", "branches.json"}) {
    SCOPED_TRACE(name);
    succeeds({"init", model_file(name), "--weights", "m.weights.h5", "--seed", "5"});
    const ModelPtr model = Model::from_json(model_file(name));
    model->load_weights(directory_ / "m.weights.h5");
    const std::vector<Tensor> inputs = make_inputs(*model, 3);
    std::vector<std::string> arguments{"predict", model_file(name), "--weights", "m.weights.h5"};
    for (std::size_t i = 0; i < inputs.size(); ++i)
      arguments.insert(arguments.end(), {"--input", fmt::format("x{}.npy", i)});
    for (std::size_t i = 0; i < model->outputs().size(); ++i)
      arguments.insert(arguments.end(), {"--output", fmt::format("y{}.npy", i)});
    succeeds(arguments);
    const std::vector<Tensor> expected = model->predict(inputs);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(read_npy(directory_ / fmt::format("y{}.npy", i)), expected[i]));
    }
  }
}

TEST_F(ModelCommands, AnArchiveBringsItsOwnWeights) {
  const ModelPtr model = Model::load(model_file("cnn.keras"));
  const std::vector<Tensor> inputs = make_inputs(*model, 2);
  succeeds({"predict", model_file("cnn.keras"), "--input", "x0.npy", "--output", "y.npy"});
  EXPECT_TRUE(bitwise_equal(read_npy(directory_ / "y.npy"), model->predict(inputs).at(0)));
  EXPECT_THAT(
      refusal({"predict", model_file("cnn.json"), "--input", "x0.npy", "--output", "y.npy"}),
      HasSubstr("--weights is required"));
}

TEST_F(ModelCommands, AnApplicationBringsTheWeightsThatItNames) {
  const std::string spec = "MobileNet:alpha=0.25,input_shape=32x32x3";
  const std::string trained = spec + ",weights=m.weights.h5";
  succeeds({"init", spec, "--weights", "m.weights.h5", "--seed", "5"});
  const auto model = applications::MobileNet({.input_shape = Shape{32, 32, 3}, .alpha = 0.25});
  model->load_weights(directory_ / "m.weights.h5");
  const std::vector<Tensor> inputs = make_inputs(*model, 2);
  succeeds({"predict", trained, "--input", "x0.npy", "--output", "y.npy"});
  EXPECT_TRUE(bitwise_equal(read_npy(directory_ / "y.npy"), model->predict(inputs).at(0)));
  EXPECT_THAT(refusal({"init", trained, "--weights", "n.weights.h5"}),
              HasSubstr("brings weights of its own"));
}

TEST_F(ModelCommands, PredictNamesTheLikeliestClasses) {
  const std::string model = "MobileNet:alpha=0.25,input_shape=32x32x3";
  succeeds({"init", model, "--weights", "m.weights.h5", "--seed", "5"});
  const auto made = applications::MobileNet({.input_shape = Shape{32, 32, 3}, .alpha = 0.25});
  made->load_weights(directory_ / "m.weights.h5");
  const Tensor expected = made->predict(make_inputs(*made, 2)).at(0);
  fs::create_directory(directory_ / "models");
  std::ofstream names(directory_ / "models" / "imagenet_class_index.json");
  for (int i = 0; i < 1000; ++i)
    names << (i == 0 ? "{" : ",") << fmt::format(R"("{0}": ["n{0}", "w{0}"])", i);
  names << "}" << std::flush;
  ::setenv("KERAS_HOME", directory_.path().c_str(), 1);
  const std::vector<std::string> arguments{"predict", model,    "--weights", "m.weights.h5",
                                           "--input", "x0.npy", "--decode",  "1"};
  const Outcome run = lamina(arguments);
  ::unsetenv("KERAS_HOME");
  ASSERT_EQ(run.status, 0) << run.err;
  std::string lines;
  for (std::size_t row = 0; row < 2; ++row) {
    const auto scores = expected.data<float>().subspan(1000 * row, 1000);
    const auto best = std::ranges::max_element(scores);
    lines += fmt::format("{0}  n{1}  {2:.3f}  w{1}\n", row, best - scores.begin(), *best);
  }
  EXPECT_EQ(run.out, lines);
  EXPECT_THAT(refusal({"predict", model_file("cnn.keras"), "--input", "x0.npy", "--decode", "0"}),
              HasSubstr("--decode"));
}

TEST_F(ModelCommands, PredictComputesOnTheCpuIfAsked) {
  const std::string archive = model_file("cnn.keras");
  const ModelPtr model = Model::load(archive);
  const std::vector<Tensor> inputs = make_inputs(*model, 2);
  succeeds({"predict", archive, "--input", "x0.npy", "--output", "y.npy", "--device", "cpu"});
  EXPECT_TRUE(bitwise_equal(read_npy(directory_ / "y.npy"), model->predict(inputs).at(0)));
}

TEST_F(ModelCommands, PredictRefusesBeforeItComputes) {
  const std::string model = model_file("images_and_numbers.json");
  succeeds({"init", model, "--weights", "m.weights.h5"});
  (void)make_inputs(*Model::from_json(model), 2);
  const std::vector<std::string> good{"predict", model,     "--weights", "m.weights.h5", "--input",
                                      "x0.npy",  "--input", "x1.npy",    "--input",      "x2.npy"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), good.begin(), good.end());
    return more;
  };
  EXPECT_THAT(refusal(with({"--input", "x0.npy", "--output", "y.npy"})), HasSubstr("3 inputs"));
  EXPECT_THAT(refusal(with({"--output", "y.npy", "--output", "z.npy"})), HasSubstr("1 output"));
  EXPECT_THAT(refusal(with({"--output", "nowhere/y.npy"})), HasSubstr("nowhere"));
  EXPECT_THAT(refusal(with({"--output", "y.npy", "--device", "cuda:0"})), HasSubstr("cuda:0"));
  EXPECT_THAT(refusal({"predict", model_file("branches.json"), "--input", "x0.npy", "--input",
                       "x1.npy", "--output", "y.npy", "--output", "z.npy", "--output", "y.npy"}),
              HasSubstr("'y.npy' twice"));
  EXPECT_FALSE(fs::exists(directory_ / "y.npy"));
}

TEST_F(ModelCommands, InitRepeatsItselfWithASeed) {
  const std::string model = model_file("cnn.json");
  succeeds({"init", model, "--weights", "a.weights.h5", "--seed", "1"});
  succeeds({"init", model, "--weights", "b.weights.json", "--seed", "1", "--max-shard-size",
            "0.000001"});
  succeeds({"init", model, "--weights", "c.weights.h5", "--seed", "2"});
  EXPECT_EQ(lamina({"diff", "a.weights.h5", "b.weights.json"}).status, 0);
  EXPECT_EQ(lamina({"diff", "a.weights.h5", "c.weights.h5"}).status, 1);
}

// Of those that an archive holds nothing is left.
TEST_F(ModelCommands, InitOfAnArchiveWritesFreshWeightsToo) {
  const std::string model = model_file("cnn.json");
  succeeds({"init", model, "--weights", "first.keras", "--seed", "1"});
  succeeds({"init", "first.keras", "--weights-out", "a.weights.h5", "--seed", "2"});
  succeeds({"init", model, "--weights", "b.weights.h5", "--seed", "2"});
  EXPECT_EQ(lamina({"diff", "a.weights.h5", "b.weights.h5"}).status, 0);
  EXPECT_EQ(lamina({"diff", "a.weights.h5", "first.keras"}).status, 1);
  // Nor need it be read: the middle of the file is in the weights.
  std::fstream archive(directory_ / "first.keras", std::ios::in | std::ios::out | std::ios::binary);
  archive.seekg(static_cast<std::streamoff>(fs::file_size(directory_ / "first.keras") / 2));
  const int byte = archive.get();
  archive.seekp(-1, std::ios::cur);
  archive.put(static_cast<char>(byte ^ 1));
  archive.close();
  EXPECT_EQ(lamina({"verify", "first.keras"}).status, 1);
  succeeds({"init", "first.keras", "--weights-out", "c.weights.h5", "--seed", "2"});
  EXPECT_EQ(lamina({"diff", "b.weights.h5", "c.weights.h5"}).status, 0);
}

TEST_F(ModelCommands, InitOfShardsNeedsTheirSize) {
  EXPECT_THAT(refusal({"init", model_file("cnn.json"), "--weights", "a.weights.json"}),
              AllOf(HasSubstr("a.weights.json"), HasSubstr("--max-shard-size")));
  EXPECT_FALSE(fs::exists(directory_ / "a.weights.json"));
}

TEST_F(ModelCommands, NoOverwriteKeepsTheFile) {
  const std::string model = model_file("cnn.json");
  succeeds({"init", model, "--weights", "a.weights.h5", "--seed", "1"});
  const std::string before = lamina::testing::file_content(directory_ / "a.weights.h5");
  EXPECT_THAT(
      refusal({"init", model, "--weights", "a.weights.h5", "--seed", "2", "--no-overwrite"}),
      HasSubstr("a.weights.h5"));
  succeeds({"init", model, "--weights", "b.weights.h5", "--seed", "2"});
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, std::vector<std::string>{"--model", model}}) {
    std::vector<std::string> reshard{"reshard", "b.weights.h5", "a.weights.h5", "--no-overwrite"};
    reshard.insert(reshard.end(), more.begin(), more.end());
    EXPECT_THAT(refusal(reshard), HasSubstr("a.weights.h5"));
  }
  EXPECT_EQ(lamina::testing::file_content(directory_ / "a.weights.h5"), before);
}

// Before the model is made, or a file is read: neither is there.
TEST_F(ModelCommands, NoOverwriteIsHeededBeforeThereIsWorkToBeLost) {
  const std::string model = model_file("cnn.json");
  succeeds({"init", model, "--weights", "a.weights.h5"});
  succeeds({"init", model, "--weights", "a.weights.json", "--max-shard-size", "1"});
  const auto expect_refused = [&](std::vector<std::string> arguments, const std::string& file) {
    arguments.emplace_back("--no-overwrite");
    EXPECT_THAT(refusal(arguments),
                HasSubstr("'" + file + "' already exists, and --no-overwrite was given"));
  };
  expect_refused({"init", "none.json", "--weights", "a.weights.h5"}, "a.weights.h5");
  expect_refused({"init", "none.json", "--weights", "a.weights.json", "--max-shard-size", "1"},
                 "a.weights.json");
  expect_refused({"reshard", "none.weights.h5", "a.weights.h5"}, "a.weights.h5");
  expect_refused({"reshard", "none.weights.h5", "a.weights.h5", "--model", "none.json"},
                 "a.weights.h5");
  succeeds({"init", model, "--weights", "b.weights.h5", "--no-overwrite"});
  // Shards without an index are found by the save.
  fs::remove(directory_ / "a.weights.json");
  EXPECT_THAT(refusal({"init", model, "--weights", "a.weights.json", "--max-shard-size", "1",
                       "--no-overwrite"}),
              HasSubstr("a_00000.weights.h5' already exists"));
}

TEST_F(ModelCommands, AShardSizeThatIsTooSmallIsNamedAsTheCommandDoes) {
  const std::string model = model_file("cnn.json");
  succeeds({"init", model, "--weights", "a.weights.h5"});
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"init", model, "--weights", "b.weights.json"},
        std::vector<std::string>{"reshard", "a.weights.h5", "b.weights.json", "--model", model}}) {
    std::vector<std::string> arguments = more;
    arguments.insert(arguments.end(), {"--max-shard-size", "1e-9"});
    EXPECT_THAT(refusal(arguments), AllOf(HasSubstr("--max-shard-size is too small: The size of "),
                                          HasSubstr("which exceeds the maximum shard size")));
  }
  EXPECT_FALSE(fs::exists(directory_ / "b.weights.json"));
}

TEST_F(ModelCommands, InitWhereAFileMayNotBeAsLargeIsAnErrorThatNamesIt) {
  succeeds({"init", model_file("cnn.json"), "--weights", "a.weights.h5"});
  const std::string before = lamina::testing::file_content(directory_ / "a.weights.h5");
  const lamina::testing::FileSizeLimit limit(1000);
  const auto ignored = ::signal(SIGXFSZ, SIG_DFL);  // as a shell leaves it
  const std::string said = refusal({"init", model_file("cnn.json"), "--weights", "a.weights.h5"});
  (void)::signal(SIGXFSZ, ignored);
  EXPECT_THAT(said, AllOf(HasSubstr("a.weights.h5"), HasSubstr("File too large")));
  EXPECT_EQ(lamina::testing::file_content(directory_ / "a.weights.h5"), before);
  EXPECT_FALSE(fs::exists(directory_ / ".a.weights.h5.lock"));
}

TEST_F(ModelCommands, InitUnderANameThatIsTooLongSaysHowLongItIs) {
  const std::string name = std::string(250, 'a') + ".weights.h5";
  EXPECT_THAT(refusal({"init", model_file("cnn.json"), "--weights", name}),
              HasSubstr("has 261 bytes, and a name has at most 255"));
}

TEST_F(ModelCommands, ReshardThroughAModelChecksTheWeights) {
  succeeds({"init", model_file("cnn.json"), "--weights", "a.weights.h5"});
  succeeds({"reshard", "a.weights.h5", "b.weights.json", "--max-shard-size", "0.000001", "--model",
            model_file("cnn.json")});
  EXPECT_EQ(lamina({"diff", "a.weights.h5", "b.weights.json"}).status, 0);
  EXPECT_EQ(lamina({"reshard", "a.weights.h5", "c.weights.h5", "--model",
                    model_file("images_and_numbers.json")})
                .status,
            2);
  EXPECT_FALSE(fs::exists(directory_ / "c.weights.h5"));
}

TEST_F(ModelCommands, LegacyFilesAreReadThroughAModel) {
  const SymbolicTensor input = layers::Input({.shape = {3}});
  const auto model = Functional::create(input, layers::Dense({.units = 2, .name = "dense"})(input));
  std::ofstream(directory_ / "model.json") << model->to_json();
  const std::vector<float> kernel{1, 2, 3, 4, 5, 6}, bias{7, 8};
  h5::test::Hdf5Image image;
  image.group("/dense");
  image.list_attribute("/dense", "weight_names", {"dense/kernel:0", "dense/bias:0"});
  image.dataset("/dense/dense/kernel:0", H5T_IEEE_F32LE, {3, 2}, kernel.data());
  image.dataset("/dense/dense/bias:0", H5T_IEEE_F32LE, {2}, bias.data());
  image.list_attribute("/", "layer_names", {"dense"});
  const std::vector<std::byte> bytes = image.bytes();
  std::ofstream(directory_ / "trained.h5", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  for (const std::string out : {"out.weights.h5", "out.keras"}) {
    succeeds({"reshard", "trained.h5", out, "--model", "model.json"});
    model->load_weights(directory_ / out);
    const std::vector<Tensor> weights = model->get_weights();
    ASSERT_EQ(weights.size(), 2U);
    EXPECT_TRUE(std::ranges::equal(weights[0].data<float>(), kernel)) << out;
    EXPECT_TRUE(std::ranges::equal(weights[1].data<float>(), bias)) << out;
  }
  for (const std::vector<std::string>& alone : {std::vector<std::string>{"inspect", "trained.h5"},
                                                {"verify", "trained.h5"},
                                                {"diff", "trained.h5", "out.weights.h5"},
                                                {"reshard", "trained.h5", "again.weights.h5"}}) {
    EXPECT_THAT(refusal(alone), HasSubstr("'trained.h5' is named as a legacy H5 file")) << alone[0];
  }
}

TEST_F(ModelCommands, WholeModelsAreWrittenAndRun) {
  const std::string model = model_file("cnn.json");
  succeeds({"init", model, "--weights", "a.weights.h5"});
  succeeds({"reshard", "a.weights.h5", "whole.keras", "--model", model});
  (void)make_inputs(*Model::from_json(model), 3);
  succeeds(
      {"predict", model, "--weights", "a.weights.h5", "--input", "x0.npy", "--output", "a.npy"});
  succeeds({"predict", "whole.keras", "--input", "x0.npy", "--output", "whole.npy"});
  EXPECT_EQ(lamina::testing::file_content(directory_ / "whole.npy"),
            lamina::testing::file_content(directory_ / "a.npy"));
  EXPECT_EQ(lamina({"verify", "whole.keras"}).status, 0);
  succeeds({"init", "whole.keras", "--weights", "new.keras"});
  EXPECT_EQ(Model::load(directory_ / "new.keras")->summary(), Model::from_json(model)->summary());
  EXPECT_THAT(refusal({"reshard", "a.weights.h5", "b.keras"}), HasSubstr("--model"));
  EXPECT_THAT(refusal({"init", model, "--weights", "b.keras", "--max-shard-size", "1"}),
              HasSubstr("`.weights.json`"));
}

TEST_F(ModelCommands, ArchivesAreInspectedAndCompared) {
  const std::string archive = model_file("cnn.keras");
  const Outcome inspected = lamina({"inspect", archive});
  EXPECT_EQ(inspected.status, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("conv2d"));
  Model::load(archive)->save_weights(directory_ / "whole.weights.h5");
  EXPECT_EQ(lamina({"diff", archive, "whole.weights.h5"}).status, 0);
  Model::load(archive, {.compile = false})->save_weights(directory_ / "a.weights.h5");
  // The archive holds a compiled model: its optimizer's variables are all that differs.
  const Outcome compared = lamina({"diff", archive, "a.weights.h5"});
  EXPECT_EQ(compared.status, 1);
  EXPECT_THAT(compared.out, AllOf(HasSubstr("/optimizer/vars"), Not(HasSubstr("/layers/"))));
}

}  // namespace
