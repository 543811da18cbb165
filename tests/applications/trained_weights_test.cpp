// `weights` of applications, and the names of ImageNet's classes, from a place as Keras keeps it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/applications.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

namespace fs = std::filesystem;
using applications::by_name;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// `$KERAS_HOME`, with warnings kept.
class TrainedWeights : public ::testing::Test {
 protected:
  TrainedWeights() {
    fs::create_directory(home_ / "models");
    ::setenv("KERAS_HOME", home_.path().c_str(), 1);
    before_ =
        set_warning_handler([this](std::string_view message) { warnings_.emplace_back(message); });
  }
  ~TrainedWeights() override {
    ::unsetenv("KERAS_HOME");
    (void)set_warning_handler(before_);
  }
  [[nodiscard]] fs::path kept(const std::string& name) const { return home_ / "models" / name; }

  testing::TemporaryDirectory home_;
  std::vector<std::string> warnings_;

 private:
  WarningHandler before_;
};

template <class Expected>
std::string refusal(std::string_view name, const applications::Options& options) {
  try {
    (void)by_name(name, options);
  } catch (const Expected& error) {
    return error.what();
  }
  return "no error";
}

std::string value_error(std::string_view name, const applications::Options& options) {
  return refusal<ValueError>(name, options);
}

// data/published.txt: what Keras itself asks for.
TEST_F(TrainedWeights, AreAskedForAsKerasCallsThem) {
  std::ifstream file(std::string(LAMINA_TEST_DATA) + "/published.txt");
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream text(line);
    std::string name, kept_name, origin;
    double alpha = 0;
    std::int64_t size = 0;
    applications::Options options{.weights = "imagenet"};
    bool minimalistic = false;
    text >> name >> options.include_top >> alpha >> size >> minimalistic >> kept_name >> origin;
    if (alpha != 0) options.alpha = alpha;
    if (size != 0) options.input_shape = Shape{size, size, 3};
    if (minimalistic) options.minimalistic = true;
    EXPECT_EQ(refusal<FileNotFoundError>(name, options),
              fmt::format("There is no '{}', where Keras keeps what it has downloaded from {}. "
                          "Lamina downloads nothing: let Keras do so, or put the file there.",
                          kept(kept_name).string(), origin))
        << line;
    ++rows;
  }
  EXPECT_GT(rows, 2 * applications::names().size());
}

TEST_F(TrainedWeights, OfAPathAreThoseOfItsFile) {
  applications::Options options{.include_top = false, .alpha = 0.25};
  const auto trained = by_name("MobileNet", options);
  options.weights = home_ / "own.weights.h5";
  trained->save_weights(options.weights);
  const auto model = by_name("MobileNet", options);
  const std::vector<Tensor> expected = trained->get_weights(), got = model->get_weights();
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(bitwise_equal(got[i], expected[i])) << i;
  options.alpha = 0.5;
  EXPECT_THROW((void)by_name("MobileNet", options), MismatchError);
}

TEST_F(TrainedWeights, OfOtherImagesAreTakenWithAWarning) {
  EXPECT_THAT(refusal<FileNotFoundError>(
                  "MobileNetV2",
                  {.include_top = false, .input_shape = Shape{100, 96, 3}, .weights = "imagenet"}),
              HasSubstr("_1.0_224_no_top.h5"));
  EXPECT_THAT(warnings_,
              ElementsAre("`input_shape` is undefined or non-square, or `rows` is not in [96, "
                          "128, 160, 192, 224]. Weights for input shape (224, 224) will be "
                          "loaded as the default."));
  warnings_.clear();
  (void)refusal<FileNotFoundError>("MobileNetV3Small", {.weights = "imagenet"});
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("or `rows` is not 224. Weights")));
}

TEST_F(TrainedWeights, OfImagenetNeedItsClassesAndShapes) {
  EXPECT_EQ(value_error("VGG16", {.classes = 10, .weights = "imagenet"}),
            "If using `weights='imagenet'` with `include_top=True`, `classes` should be 1000.  "
            "Received classes=10");
  EXPECT_EQ(value_error("ResNet50", {.input_shape = Shape{64, 64, 3}, .weights = "imagenet"}),
            "When setting `include_top=True` and loading `imagenet` weights, `input_shape` should "
            "be (224, 224, 3).  Received: input_shape=(64, 64, 3)");
  EXPECT_EQ(
      value_error("ResNet50",
                  {.include_top = false, .input_shape = Shape{64, 64, 1}, .weights = "imagenet"}),
      "The input must have 3 channels; Received `input_shape=(64, 64, 1)`");
  EXPECT_THAT(value_error("ResNet50", {.weights = "imagenet", .classifier_activation = "relu"}),
              StartsWith("Only `None` and `softmax` activations are allowed"));
  EXPECT_THAT(value_error("MobileNet", {.weights = "imagenet", .alpha = 0.3}),
              HasSubstr("`0.25`, `0.50`, `0.75` or `1.0` only"));
  EXPECT_THAT(value_error("MobileNet", {.weights = "imagenet", .depth_multiplier = 2}),
              HasSubstr("depth multiplier must be 1"));
  EXPECT_THAT(value_error("MobileNetV2", {.weights = "imagenet", .alpha = 0.25}),
              HasSubstr("`1.3` or `1.4` only; Received `alpha=0.25`"));
  EXPECT_THAT(
      value_error("MobileNetV3Large", {.weights = "imagenet", .alpha = 0.75, .minimalistic = true}),
      HasSubstr("`1.0` for minimalistic only"));
  EXPECT_EQ(value_error("Xception", {.weights = "imagenette"}),
            "The `weights` argument should be either `None` (random initialization), 'imagenet' "
            "(pre-training on ImageNet), or the path to the weights file to be loaded.  Received: "
            "weights=imagenette");
}

class DecodePredictions : public TrainedWeights {
 protected:
  void write_classes(std::size_t count) const {
    std::ofstream file(kept("imagenet_class_index.json"));
    for (std::size_t i = 0; i < count; ++i) {
      file << fmt::format(R"({}"{}": ["n{:08}", "word{}"])", i == 0 ? "{" : ", ", i, 7 * i, i);
    }
    file << "}";
  }
};

TEST_F(DecodePredictions, GivesTheLikeliestFirst) {
  write_classes(1000);
  std::mt19937_64 random(test::fresh_seed());
  std::vector<float> scores(3 * 1000);
  std::uniform_real_distribution<float> draw(0, 0.5f);
  for (float& score : scores) score = draw(random);
  scores[17] = 0.75f, scores[999] = 0.625f;
  scores[1000] = 0.875f, scores[1007] = std::numeric_limits<float>::quiet_NaN();
  scores[2500] = 2;
  const auto rows = applications::decode_predictions(Tensor::from(scores, {3, 1000}), 2);
  ASSERT_EQ(rows.size(), 3u);
  ASSERT_EQ(rows[0].size(), 2u);
  EXPECT_EQ(rows[0][0].class_name, "n00000119");
  EXPECT_EQ(rows[0][0].class_description, "word17");
  EXPECT_EQ(rows[0][0].score, 0.75);
  EXPECT_EQ(rows[0][1].class_description, "word999");
  EXPECT_EQ(rows[0][1].score, 0.625);
  EXPECT_EQ(rows[1][0].class_description, "word0");
  EXPECT_EQ(rows[2][0].class_description, "word500");
  const auto all = applications::decode_predictions(Tensor::from(scores, {3, 1000}), 2000);
  ASSERT_EQ(all[1].size(), 1000u);
  EXPECT_EQ(all[1].back().class_description, "word7") << "NaN is no likely class";
}

TEST_F(DecodePredictions, RefusesWhatIsNotOfImagenet) {
  const Tensor scores = Tensor::zeros({2, 1000});
  const auto message = [](auto&& decode) -> std::string {
    try {
      decode();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message([&] { (void)applications::decode_predictions(scores); }),
              AllOf(HasSubstr("imagenet_class_index.json"), HasSubstr("download.tensorflow.org")));
  write_classes(999);
  EXPECT_THAT(message([&] { (void)applications::decode_predictions(scores); }),
              HasSubstr("not Keras's names of ImageNet's classes"));
  EXPECT_THAT(message([&] {
                (void)applications::decode_predictions(Tensor::zeros({2, 10}));
              }),
              HasSubstr("Received array with shape: (2, 10)"));
  EXPECT_THAT(message([&] { (void)applications::decode_predictions(scores, 0); }),
              HasSubstr("Received: top=0"));
}

}  // namespace
}  // namespace lamina
