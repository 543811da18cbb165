// TimeDistributed beside what keras_cases.json holds it to: steps, masks, training, sublayers, and
// what it refuses.
#include <lamina/lamina.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "layers/access.h"
#include "layers/config/registry.h"
#include "tests/layers/execute.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using TimeDistributed = MaskScene;

constexpr std::int64_t kBatch = 3, kSteps = 4;

/// Step `t` of (batch, time, ...).
Tensor step_of(const Tensor& x, std::int64_t t) {
  std::vector<std::int64_t> dims = x.shape().dims();
  const auto batch = static_cast<std::size_t>(dims[0]), steps = static_cast<std::size_t>(dims[1]);
  dims.erase(dims.begin() + 1);
  Tensor step = Tensor::empty(Shape(dims), x.dtype());
  const std::size_t bytes = step.nbytes() / batch;
  for (std::size_t b = 0; b < batch; ++b) {
    const std::byte* from = x.bytes().data() + (b * steps + static_cast<std::size_t>(t)) * bytes;
    std::copy(from, from + bytes, step.bytes().data() + b * bytes);
  }
  return step;
}

/// A layer of one's own, of which nobody knows what it does with a batch.
class Doubled final : public Layer {
 public:
  Doubled() : Layer({"doubled", {}, true}), inner_(track("inner", L::Dense({.units = 3}))) {}
  [[nodiscard]] std::string class_name() const override { return "Doubled"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    return {(*inner_)((*inner_)(inputs[0]))};
  }

 private:
  LayerPtr inner_;
};

ModelPtr convnet() {
  return Sequential::create({L::Conv1D({.filters = 4, .kernel_size = 2}), L::BatchNormalization(),
                             L::GlobalMaxPooling1D(), L::Dense({.units = 2})});
}

}  // namespace

TEST_F(TimeDistributed, GivesOfEachStepWhatTheLayerGivesOfIt) {
  const std::vector<LayerPtr> layers{
      L::Dense({.units = 2, .activation = L::ActivationFunction::softmax(0)}),
      L::Dense({.units = 2}),
      L::Conv1D({.filters = 2, .kernel_size = 3, .padding = "same"}),
      L::LSTM({.units = 2}),
      L::Softmax({.axis = {0}}),
      L::BatchNormalization(),
      L::Dropout({.rate = 0.5}),
      L::Reshape({.target_shape = {-1}}),
      L::Bidirectional({.layer = L::GRU({.units = 2})}),
      L::RNN({.cell = {L::LSTMCell({.units = 2}), L::GRUCell({.units = 3})}}),
      L::TimeDistributed({.layer = L::Dense({.units = 2})}),
      L::RMSNormalization(),
      L::GroupNormalization({.groups = 3}),
      L::UnitNormalization({.axis = {1, 2}}),
      L::PReLU({.shared_axes = {1}}),
      L::Rescaling({.scale = {2.0, 3.0, -1.0}, .offset = 1.0}),
      L::LayerScale({.init_values = 0.5, .projection_dim = 3}),
      convnet(),
      std::make_shared<Doubled>()};
  const Tensor x = normal({kBatch, kSteps, 5, 3});
  for (const LayerPtr& layer : layers) {
    SCOPED_TRACE(layer->repr());
    const SymbolicTensor input = MaskScene::input({kNone, kSteps, 5, 3});
    const ModelPtr model = Functional::create(input, L::TimeDistributed({.layer = layer})(input));
    for (const VariablePtr& variable : model->variables()) {
      Tensor value = normal(variable->shape());
      for (double& element : value.data<double>()) element = 0.1 + element * element;
      variable->assign(value);
    }
    const Tensor y = model->predict(x);
    for (std::int64_t t = 0; t < kSteps; ++t) {
      expect_near(step_of(y, t), lamina::testing::execute(*layer, {step_of(x, t)})[0]);
    }
  }
}

TEST_F(TimeDistributed, KeepsIntegersAndOpenSizes) {
  const SymbolicTensor ids = input({kNone, kNone, 2}, "int32");
  const SymbolicTensor y = L::TimeDistributed({.layer = L::Flatten()})(ids);
  EXPECT_EQ(y.dtype(), DType::kInt32);
  EXPECT_EQ(y.shape(), (Shape{kNone, kNone, 2}));
  const SymbolicTensor z =
      L::TimeDistributed({.layer = L::Embedding({.input_dim = 5, .output_dim = 3})})(ids);
  EXPECT_EQ(z.shape(), (Shape{kNone, kNone, 2, 3}));
  const SymbolicTensor narrow =
      L::TimeDistributed({.layer = L::Dense({.units = 2}), .dtype = "float32"})(z);
  EXPECT_EQ(narrow.dtype(), DType::kFloat32) << "its own, whatever the layer's";
  const Tensor given = Tensor::from<std::int32_t>({1, 2, 3, 4, 0, 1}, {1, 3, 2});
  EXPECT_TRUE(bitwise_equal(Functional::create(ids, y)->predict(given), given));
}

TEST_F(TimeDistributed, GivesTheMaskStepByStepToLayersThatTakeOne) {
  const SymbolicTensor x = input({kBatch, kSteps, 5, 3}), m = input({kBatch, kSteps, 5}, "bool");
  const Tensor values = normal({kBatch, kSteps, 5, 3}), flags = this->flags({kBatch, kSteps, 5});
  const auto inside = [&](const LayerRef& layer) {
    const SymbolicTensor step = input({kNone, 5, 3});
    return Functional::create(step, layer(step));
  };
  for (const bool known : {true, false}) {  // whether all steps go at once
    const LayerRef lstm =
        L::LSTM({.units = 2, .activation = known ? "tanh" : L::ActivationFunction::softmax(-1)});
    for (const LayerPtr& layer : {LayerPtr(lstm), LayerPtr(inside(lstm))}) {
      SCOPED_TRACE(layer->repr());
      const ModelPtr model =
          Functional::create({x, m}, {L::TimeDistributed({.layer = layer})(x, {{"mask", m}})});
      randomize(*model);
      const Tensor y = model->predict(std::vector<Tensor>{values, flags})[0];
      for (std::int64_t t = 0; t < kSteps; ++t) {
        expect_near(step_of(y, t),
                    lamina::testing::execute(*lstm, {step_of(values, t), step_of(flags, t)},
                                             {.keywords = {"mask"}, .flags = {}})[0]);
      }
    }
  }
}

TEST_F(TimeDistributed, HasTheMaskOfItsInput) {
  const SymbolicTensor ids = input({kBatch, 6}, "int32");
  const SymbolicTensor words =
      L::Embedding({.input_dim = 7, .output_dim = 3, .mask_zero = true})(ids);
  const LayerRef dense = L::Dense({.units = 4}), mean = L::GlobalAveragePooling1D();
  const ModelPtr by_step =
      Functional::create(ids, mean(L::TimeDistributed({.layer = dense})(words)));
  const ModelPtr at_once = Functional::create(ids, mean(dense(words)));
  randomize(*by_step);
  const Tensor given = sentences(kBatch, 6);
  expect_near(by_step->predict(given), at_once->predict(given));
}

TEST_F(TimeDistributed, NormalizesEachStepInTrainingAndFollowsThemInTurn) {
  const SymbolicTensor x = input({kBatch, kSteps, 2});
  const LayerRef norm = L::BatchNormalization({.momentum = 0.7, .epsilon = 0.01});
  const ModelPtr model = Functional::create(x, L::TimeDistributed({.layer = norm})(x));
  const Tensor values = normal({kBatch, kSteps, 2});
  GradientTape tape(*model);
  const Tensor y = tape.forward({values})[0];
  for (std::int64_t k = 0; k < 2; ++k) {
    double moving_mean = 0, moving_variance = 1;
    for (std::int64_t t = 0; t < kSteps; ++t) {
      double mean = 0, variance = 0;
      for (std::int64_t b = 0; b < kBatch; ++b) mean += at(values, {b, t, k}) / kBatch;
      for (std::int64_t b = 0; b < kBatch; ++b) {
        variance += std::pow(at(values, {b, t, k}) - mean, 2) / kBatch;
      }
      for (std::int64_t b = 0; b < kBatch; ++b) {
        EXPECT_NEAR(at(y, {b, t, k}), (at(values, {b, t, k}) - mean) / std::sqrt(variance + 0.01),
                    1e-10);
      }
      moving_mean = 0.7 * moving_mean + 0.3 * mean;
      moving_variance = 0.7 * moving_variance + 0.3 * variance;
    }
    const std::vector<VariablePtr> moving = norm->non_trainable_variables();
    EXPECT_NEAR(at(moving[0]->value(), {k}), moving_mean, 1e-10);
    EXPECT_NEAR(at(moving[1]->value(), {k}), moving_variance, 1e-10);
  }
}

TEST_F(TimeDistributed, DropsOfEachStepAnew) {
  const SymbolicTensor x = input({1, 2, 200});
  const ModelPtr model =
      Functional::create(x, L::TimeDistributed({.layer = L::Dropout({.rate = 0.5})})(x));
  GradientTape tape(*model, seed_);
  const Tensor ones = Tensor::from(std::vector<double>(400, 1), {1, 2, 200});
  const Tensor y = tape.forward({ones})[0];
  int kept = 0, different = 0;
  for (std::int64_t k = 0; k < 200; ++k) {
    kept += at(y, {0, 0, k}) != 0;
    different += at(y, {0, 0, k}) != at(y, {0, 1, k});
  }
  EXPECT_GT(kept, 50);
  EXPECT_LT(kept, 150);
  EXPECT_GT(different, 50);
}

// As in Keras, which uses the layer's `call`, and of the layers within a model `__call__`.
TEST_F(TimeDistributed, PenalizesWhatLayersWithinAModelGiveForEachSample) {
  const SymbolicTensor x = input({kBatch, kSteps, 3});
  const LayerRef dense = L::Dense({.units = 2, .activity_regularizer = "l1"});
  for (const LayerPtr& layer : {LayerPtr(Sequential::create({dense})), LayerPtr(dense)}) {
    const ModelPtr model = Functional::create(x, L::TimeDistributed({.layer = layer})(x));
    randomize(*model);
    GradientTape tape(*model);
    const Tensor y = tape.forward({normal({kBatch, kSteps, 3})})[0];
    double sum = 0;
    for (const double value : y.data<double>()) sum += std::abs(value);
    const double wanted = layer == LayerPtr(dense) ? 0 : 0.01 * sum / kBatch;
    EXPECT_NEAR(tape.penalty(), wanted, 1e-6 * sum) << layer->repr();  // L1's float32 of 0.01
  }
}

TEST_F(TimeDistributed, GoesThroughAllStepsAtOnceWhereNoSampleSeesAnother) {
  const auto operations = [](Layer& layer, std::int64_t steps) {
    graph::Program program =
        lamina::testing::program_of({Tensor::zeros({kBatch, steps, 5, 3}, DType::kFloat64)});
    graph::Builder builder(program, graph::Builder::Mode::kTraining);
    const std::vector<graph::ValueId> inputs = program.inputs;  // dropout adds one
    (void)layers::Access::lower(layer, builder, inputs);
    return program.ops.size();
  };
  const auto as_many_of_more_steps = [&](const LayerPtr& layer) {
    const LayerRef wrapper = L::TimeDistributed({.layer = layer});
    wrapper->build({{kNone, kNone, 5, 3}});
    return operations(*wrapper, 2) == operations(*wrapper, 7);
  };
  const L::ActivationFunction softmax = L::ActivationFunction::softmax(0);
  for (const LayerPtr& layer : std::vector<LayerPtr>{
           L::Dense({.units = 2, .activation = "softmax"}),
           L::Bidirectional({.layer = L::GRU({.units = 2})}),
           L::RNN({.cell = {L::LSTMCell({.units = 2}), L::GRUCell({.units = 3})}}),
           L::TimeDistributed({.layer = L::Dense({.units = 2})}), L::RMSNormalization(),
           L::GroupNormalization({.groups = 3}), L::UnitNormalization(), L::Identity(),
           L::SpatialDropout1D({.rate = 0.5}), L::AlphaDropout({.rate = 0.5}), L::PReLU(),
           L::LayerScale({.init_values = 0.5, .projection_dim = 3}),
           L::StochasticDepth({.drop_path_rate = 0.5}), L::Softmax(), L::Normalization(),
           L::Rescaling({.scale = {2.0, 3.0, -1.0}}),
           Sequential::create({L::Dense({.units = 2}), L::Flatten()})}) {
    EXPECT_TRUE(as_many_of_more_steps(layer)) << layer->repr();
  }
  for (const LayerPtr& layer : std::vector<LayerPtr>{
           L::Dense({.units = 2, .activation = softmax}), L::Softmax({.axis = {0}}),
           L::RNN({.cell = L::SimpleRNNCell({.units = 2, .activation = softmax})}),
           L::TimeDistributed({.layer = std::make_shared<Doubled>()}), L::BatchNormalization(),
           L::AlphaDropout({.rate = 0.5, .noise_shape = {1, 5, 3}}), convnet(),
           L::Rescaling({.scale = {{1, 2, 3}, {3, 1, 1}}}), std::make_shared<Doubled>()}) {
    EXPECT_FALSE(as_many_of_more_steps(layer)) << layer->repr();
  }
}

TEST_F(TimeDistributed, HasTheLayerThatItIsGivenAndItsVariables) {
  clear_session();
  const auto paths = [](const Layer& layer) {
    std::string text;
    for (const VariablePtr& variable : layer.variables()) text += variable->path() + " ";
    return text;
  };
  const LayerRef dense = L::Dense({.units = 2});
  const LayerRef layer = L::TimeDistributed({.layer = dense});
  layer->build({{kNone, kSteps, 3}});
  EXPECT_EQ(paths(*layer), "time_distributed/dense/kernel time_distributed/dense/bias ");
  EXPECT_EQ(layer->attributes().at(0).name, "layer");
  EXPECT_EQ(layer->sublayers().at(0), LayerPtr(dense));
  const LayerRef again = L::TimeDistributed({.layer = dense, .name = "again"});
  again->build({{kNone, 2, 3}});
  EXPECT_EQ(paths(*again), paths(*layer)) << "one layer, made by the first";
  const LayerRef stack = L::TimeDistributed(
      {.layer = Sequential::create({L::Dense({.units = 1})}, {.name = "stack"}), .name = "outer"});
  stack->build({{kNone, 2, 3}});
  EXPECT_EQ(paths(*stack), "outer/stack/dense_1/kernel outer/stack/dense_1/bias ");
  layer->set_trainable(false);
  EXPECT_TRUE(dense->trainable_variables().empty());
}

TEST_F(TimeDistributed, ComesBackFromAConfigurationWithTheModelThatItHolds) {
  const SymbolicTensor x = input({kNone, kSteps, 5, 3}), step = input({kNone, 2});
  const ModelPtr inner = Functional::create(step, L::Dense({.units = 3})(step));
  const SymbolicTensor y = L::TimeDistributed({.layer = convnet()})(x);
  const ModelPtr model = Functional::create(x, L::TimeDistributed({.layer = inner})(y));
  const std::string text = model->to_json();
  const ModelPtr twin = Model::from_json_text(text);
  EXPECT_EQ(twin->to_json(), text);
  for (const VariablePtr& variable : model->variables()) {
    Tensor value = normal(variable->shape());
    for (double& element : value.data<double>()) element = std::abs(element);
    variable->assign(value);
  }
  twin->set_weights(model->get_weights());
  const Tensor values = normal({2, kSteps, 5, 3});
  EXPECT_TRUE(bitwise_equal(model->predict(values), twin->predict(values)));
}

TEST_F(TimeDistributed, RefusesWhatDoesNotSuitIt) {
  expect_words<ValueError>(
      [] { (void)L::TimeDistributed({}); },
      "Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. Received: "
      "None");
  const auto applied = [](const LayerPtr& layer, const Shape& shape) {
    return [layer, shape] {
      (void)L::TimeDistributed({.layer = layer})(L::Input({.batch_shape = shape}));
    };
  };
  expect_words<ValueError>(
      applied(L::Dense({.units = 2}), {kNone, 4}),
      "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
      "received: (None, 4)");
  expect_words<ValueError>(applied(L::LSTM({.units = 2, .return_state = true}), {2, 3, 4, 5}),
                           "one output");
  expect_words<ValueError>(
      applied(L::MultiHeadAttention({.num_heads = 1, .key_dim = 1}), {2, 3, 4, 5}), "`value`");
  const std::int64_t many = (std::int64_t{1} << 17) + 1;
  const SymbolicTensor long_one = input({1, many, 3});
  const LayerPtr unknown = std::make_shared<Doubled>();
  const ModelPtr endless =
      Functional::create(long_one, L::TimeDistributed({.layer = unknown})(long_one));
  expect_words<ValueError>(
      [&] {
        (void)endless->predict(Tensor::zeros({1, many, 3}, DType::kFloat64));
      },
      "Received a sequence of 131073 steps; at most 131072 can be computed one by one.");
  const SymbolicTensor x = input({2, 3, 4});
  const auto masked = [&](const Shape& shape) {
    return [&, shape] {
      const SymbolicTensor m = input(shape, "bool");
      const LayerRef layer = L::TimeDistributed({.layer = L::Dense({.units = 1})});
      (void)Functional::create({x, m}, {layer(x, {{"mask", m}})})
          ->predict(
              {Tensor::zeros({2, 3, 4}, DType::kFloat64), Tensor::zeros(shape, DType::kBool)});
    };
  };
  expect_words<ValueError>(
      masked({2}),
      "must be at least 2D (e.g., `(batch_size, timesteps)`), but it has 1 dimension(s)");
  expect_words<ValueError>(
      masked({2, 4}), "has a shape (2, 4) that is incompatible with the input shape (2, 3, 4)");
  const LayerRef shared = L::Dense({.units = 4});
  const SymbolicTensor twice = L::TimeDistributed({.layer = shared})(shared(x));
  EXPECT_THROW((void)Functional::create(x, twice)->to_json(), UnsupportedError)
      << "Keras would make two of it";
}
