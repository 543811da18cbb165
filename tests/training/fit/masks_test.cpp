// What the mask of an output does in training: to losses, metrics, batch normalisation, gradients.
#include <lamina/lamina.h>

#include "tests/training/fit_helpers.h"
#include "tests/training/graph/gradient_check.h"

namespace lamina {
namespace {

using namespace test;

/// Sequences (rows, steps, features), the last steps of each 0, and which steps are not.
struct Sequences {
  Tensor x, seen;
  Sequences(Random& random, std::int64_t rows, std::int64_t steps, std::int64_t features)
      : x(random.tensor({rows, steps, features}, 0.1, 1)),
        seen(Tensor::zeros({rows, steps}, DType::kBool)) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t length = random.integer(1, steps);
      for (std::int64_t i = 0; i < steps; ++i) {
        const std::int64_t at = row * steps + i;
        seen.data<bool>()[static_cast<std::size_t>(at)] = i < length;
        for (std::int64_t k = 0; k < features && i >= length; ++k) {
          x.data<float>()[static_cast<std::size_t>(at * features + k)] = 0;
        }
      }
    }
  }
};

ModelPtr tagger(bool recurrent = false) {
  const SymbolicTensor x = layers::Input({.shape = {5, 2}});
  const LayerRef steps = layers::Dense({.units = 4, .activation = "tanh"}),
                 course = layers::LSTM({.units = 4, .return_sequences = true});
  const SymbolicTensor y = (recurrent ? course : steps)(layers::Masking()(x));
  return Functional::create(x, layers::Dense({.units = 3})(y));
}

/// The mean squared error of each step.
std::vector<double> errors(const Tensor& y, const Tensor& p) {
  const auto width = static_cast<std::size_t>(p.shape()[-1]);
  std::vector<double> out(static_cast<std::size_t>(p.size()) / width, 0);
  for (std::size_t i = 0; i < out.size() * width; ++i) {
    const double apart = double(y.data<float>()[i]) - p.data<float>()[i];
    out[i / width] += apart * apart / static_cast<double>(width);
  }
  return out;
}

LayerRef attention() {
  return layers::MultiHeadAttention({.num_heads = 1, .key_dim = 2});
}

/// Gives what attends to steps, and steps; one after the other or the other way round.
class Attending : public Layer {
 public:
  explicit Attending(bool first) : Layer({}), first_(first) {
    dense_ = track("dense", layers::Dense({.units = 2}));
    attention_ = track("attention", attention());
  }
  [[nodiscard]] std::string class_name() const override { return "Attending"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const SymbolicTensor& x = inputs.at(0);
    if (!first_) {
      const SymbolicTensor steps = (*dense_)(x);
      return {(*attention_)({x, x}), steps};
    }
    const SymbolicTensor attended = (*attention_)({x, x});
    return {attended, (*dense_)(x)};
  }

 private:
  bool first_;
  LayerPtr dense_, attention_;
};

class MasksInTrainingOf : public ::testing::TestWithParam<bool> {};

TEST_P(MasksInTrainingOf, LossesAndMeansAreOfWhatIsNotMasked) {
  Random random;
  const Sequences data(random, 6, 5, 2);
  const Tensor y = random.tensor({6, 5, 3}), weights = random.tensor({6, 5}, 0.5, 2);
  const ModelPtr model = tagger(GetParam());
  const MetricPtr root = metrics::RootMeanSquaredError();
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0}),
                  .loss = losses::MeanSquaredError(),
                  .metrics = {"mean_squared_error", MetricArgument{root}},
                  .weighted_metrics = {"mean_squared_error"}});
  const std::vector<double> each = errors(y, model->predict(data.x));
  double sum = 0, weighed = 0, count = 0, weight = 0, all = 0;
  for (std::size_t i = 0; i < each.size(); ++i) {
    all += each[i];
    if (!data.seen.data<bool>()[i]) continue;
    sum += each[i];
    weighed += each[i] * weights.data<float>()[i];
    weight += weights.data<float>()[i];
    ++count;
  }
  for (const auto& logs : {model->train_on_batch(data.x, y), model->test_on_batch(data.x, y)}) {
    EXPECT_NEAR(logs.at("loss"), sum / count, 1e-5);
    EXPECT_NEAR(logs.at("mean_squared_error"), sum / count, 1e-5);
    EXPECT_NEAR(logs.at("weighted_mean_squared_error"), sum / count, 1e-5);
    // In Keras it is no mean of a function of rows, and knows nothing of masks.
    EXPECT_NEAR(logs.at("root_mean_squared_error"), std::sqrt(all / double(each.size())), 1e-5);
  }
  const Logs logs = model->test_on_batch(data.x, y, weights);
  EXPECT_NEAR(logs.at("loss"), weighed / count, 1e-5);
  EXPECT_NEAR(logs.at("mean_squared_error"), sum / count, 1e-5);
  EXPECT_NEAR(logs.at("weighted_mean_squared_error"), weighed / weight, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(StepsAndRecurrences, MasksInTrainingOf, ::testing::Bool());

TEST(MasksInTraining, AMaskedRowHasNoPartInALoss) {
  Random random;
  const Tensor y = random.tensor({4, 3}), p = random.tensor({4, 3}),
               weights = random.tensor({4}, 0.5, 2);
  const Tensor mask = Tensor::from<std::int32_t>({1, 0, 1, 0}, {4}).cast(DType::kBool);
  Tensor broken = p.clone();
  for (std::size_t k = 3; k < 6; ++k) broken.data<float>()[k] = std::nanf("");
  const std::vector<double> each = errors(y, p);
  const double w0 = weights.data<float>()[0], w2 = weights.data<float>()[2];
  const double sum = each[0] + each[2], weighed = each[0] * w0 + each[2] * w2;
  const auto value = [&](Reduction reduction, const Tensor& given) {
    return (*losses::MeanSquaredError({.reduction = reduction}))(y, broken, given, mask);
  };
  EXPECT_NEAR(value(Reduction::kSumOverBatchSize, {}), sum / 2, 1e-6);
  EXPECT_NEAR(value(Reduction::kSumOverBatchSize, weights), weighed / 2, 1e-6);
  EXPECT_NEAR(value(Reduction::kSum, weights), weighed, 1e-6);
  EXPECT_NEAR(value(Reduction::kMeanWithSampleWeight, {}), sum / 2, 1e-6);
  EXPECT_NEAR(value(Reduction::kMeanWithSampleWeight, weights), weighed / (w0 + w2), 1e-6);
  const LossResult result =
      losses::MeanSquaredError()->value_and_gradient(y, broken, {}, 1, mask.reshape({4, 1}));
  for (std::size_t i = 0; i < 12; ++i) {
    const double wanted =
        i / 3 % 2 == 1 ? 0 : (p.data<float>()[i] - y.data<float>()[i]) * (2.0 / 3) / 2;
    EXPECT_NEAR(result.gradient.data<float>()[i], wanted, 1e-6);
  }
  const Tensor nothing = Tensor::zeros({4}, DType::kBool);
  EXPECT_EQ((*losses::MeanSquaredError())(y, p, {}, nothing), 0);
  EXPECT_NE(message_of([&] {
              (void)(*losses::MeanSquaredError())(y, p, {}, Tensor::zeros({3}, DType::kBool));
            }).find("the mask of shape (3,) does not fit losses of shape (4,)"),
            std::string::npos);
}

TEST(MasksInTraining, ATapeGivesThem) {
  Random random;
  const Sequences data(random, 3, 5, 2);
  const ModelPtr model = tagger();
  GradientTape tape(*model);
  EXPECT_THROW((void)tape.output_masks(), ValueError);
  (void)tape.forward({data.x});
  ASSERT_EQ(tape.output_masks().size(), 1u);
  EXPECT_TRUE(bitwise_equal(tape.output_masks()[0], data.seen));
  const SymbolicTensor x = layers::Input({.shape = {5, 2}});
  const auto plain = Functional::create(x, layers::Dense({.units = 3})(x));
  GradientTape other(*plain);
  (void)other.forward({data.x});
  EXPECT_FALSE(other.output_masks().at(0).defined());
}

// Attention takes away the masks of what it is given: for all calls that come behind it.
TEST(MasksInTraining, AreThereUntilAnAttentionInKerasOrder) {
  Random random;
  const Sequences data(random, 3, 5, 2);
  const SymbolicTensor x = layers::Input({.shape = {5, 2}}), masked = layers::Masking()(x);
  const auto given = [&](const SymbolicTensors& outputs) {
    const auto model = Functional::create({x}, outputs);
    GradientTape tape(*model);
    (void)tape.forward({data.x});
    std::vector<bool> has;
    for (const Tensor& mask : tape.output_masks()) has.push_back(mask.defined());
    return has;
  };
  using Has = std::vector<bool>;
  const SymbolicTensor steps = layers::Dense({.units = 2})(masked),
                       attended = attention()({masked, masked}),
                       deeper = layers::Dense({.units = 3})(attended);
  EXPECT_EQ(given({steps, deeper}), (Has{false, true})) << "what is deeper comes first";
  EXPECT_EQ(given({deeper, steps}), (Has{true, false}));
  EXPECT_EQ(given({steps, attended}), (Has{false, true})) << "or the last of one depth";
  EXPECT_EQ(given({attended, steps}), (Has{true, true}));
  for (const bool first : {false, true}) {
    const LayerRef layer(std::make_shared<Attending>(first));
    EXPECT_EQ(given(layer->apply({masked})), (Has{true, !first})) << "or as `call` has it";
  }
}

TEST(MasksInTraining, BatchNormalizationHasTheStatisticsOfWhatIsNotMasked) {
  Random random;
  const Sequences data(random, 4, 5, 2);
  const SymbolicTensor x = layers::Input({.shape = {5, 2}});
  const LayerRef norm = layers::BatchNormalization({.momentum = 0.75, .epsilon = 0.01});
  const auto model = Functional::create(x, norm(layers::Masking()(x)));
  GradientTape tape(*model);
  const Tensor& y = tape.forward({data.x})[0];
  for (std::size_t k = 0; k < 2; ++k) {
    double sum = 0, squares = 0, count = 0;
    const auto each = [&](const auto& visit) {
      for (std::size_t i = 0; i < 20; ++i) {
        if (data.seen.data<bool>()[i]) visit(double(data.x.data<float>()[i * 2 + k]));
      }
    };
    each([&](double value) { sum += value, ++count; });
    const double mean = sum / count;
    each([&](double value) { squares += (value - mean) * (value - mean); });
    const double variance = squares / count;
    for (std::size_t i = 0; i < 20; ++i) {
      const double wanted = (data.x.data<float>()[i * 2 + k] - mean) / std::sqrt(variance + 0.01);
      EXPECT_NEAR(y.data<float>()[i * 2 + k], wanted, 1e-5);
    }
    const auto variables = norm->non_trainable_variables();
    EXPECT_NEAR(variables[0]->value().data<float>()[k], 0.25 * mean, 1e-6);
    EXPECT_NEAR(variables[1]->value().data<float>()[k], 0.75 + 0.25 * variance, 1e-6);
  }
  const SymbolicTensor m = layers::Input({.shape = {5, 1}, .dtype = "bool"});
  const auto wrong = Functional::create({x, m}, {layers::BatchNormalization()(x, {{"mask", m}})});
  EXPECT_NE(message_of([&] {
              (void)wrong->predict({data.x, Tensor::zeros({4, 5, 1}, DType::kBool)});
            })
                .find("The mask provided should be one dimension less than the inputs. Received: "
                      "mask.shape=(4, 5, 1), inputs.shape=(4, 5, 2)"),
            std::string::npos);
}

TEST(MasksInTraining, GradientsPassWhatIsNotMasked) {
  training::testkit::Seeded random;
  SCOPED_TRACE(random.note());
  set_dtype_policy("float64");
  const SymbolicTensor ids = layers::Input({.dtype = "int32", .batch_shape = Shape{4, 5}});
  const SymbolicTensor words =
      layers::Embedding({.input_dim = 4, .output_dim = 3, .mask_zero = true})(ids);
  SymbolicTensor y = layers::MultiHeadAttention({.num_heads = 2, .key_dim = 2})({words, words});
  y = layers::BatchNormalization()(layers::Concatenate()({y, layers::Dense({.units = 2})(y)}));
  const auto model = Functional::create(ids, layers::GlobalAveragePooling1D()(y));
  training::testkit::randomize(*model, *random);
  Tensor given = training::testkit::random_ids({4, 5}, 4, DType::kInt32, *random);
  for (std::size_t row = 0; row < 4; ++row) given.data<std::int32_t>()[row * 5] = 1;
  training::testkit::expect_gradients(*model, {given}, *random);
  set_dtype_policy("float32");
}

TEST(MasksInTraining, GradientsPassOverStepsThatAreMasked) {
  training::testkit::Seeded random;
  SCOPED_TRACE(random.note());
  set_dtype_policy("float64");
  const SymbolicTensor ids = layers::Input({.dtype = "int32", .batch_shape = Shape{4, 5}});
  SymbolicTensor y = layers::Embedding({.input_dim = 3, .output_dim = 3, .mask_zero = true})(ids);
  y = layers::Bidirectional({.layer = layers::LSTM({.units = 2, .return_sequences = true})})(y);
  y = layers::GRU({.units = 2, .return_sequences = true, .go_backwards = true})(y);
  const auto model = Functional::create(ids, layers::SimpleRNN({.units = 3})(y));
  training::testkit::randomize(*model, *random);
  const Tensor given = training::testkit::random_ids({4, 5}, 3, DType::kInt32, *random);
  training::testkit::expect_gradients(*model, {given}, *random);
  set_dtype_policy("float32");
}

}  // namespace
}  // namespace lamina
