// Layers that are stateful: what a batch leaves is what the next one begins with, as if a layer
// that is not had been given it; in prediction, and in training.
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "tests/layers/execute.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/recurrence_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

namespace L = lamina::layers;

constexpr std::int64_t kBatch = 3;

/// A layer as it is made with and without states of its own, and what its steps are.
struct Kind {
  std::function<LayerRef(bool stateful)> make;
  Shape step;
};

template <class Options>
Kind kind(LayerRef (*make)(Options), Options options, Shape step) {
  options.return_sequences = options.return_state = true;
  options.dtype = "float64";
  return {[make, options](bool stateful) {
            Options chosen = options;
            chosen.stateful = stateful;
            return make(chosen);
          },
          std::move(step)};
}

std::vector<Kind> kinds() {
  std::vector<Kind> all{
      kind<L::SimpleRNNOptions>(L::SimpleRNN, {.units = 3}, {2}),
      kind<L::LSTMOptions>(L::LSTM, {.units = 4}, {3}),
      kind<L::GRUOptions>(L::GRU, {.units = 3, .go_backwards = true}, {2}),
      kind<L::ConvLSTM1DOptions>(L::ConvLSTM1D, {.filters = 2, .kernel_size = 2}, {5, 2}),
      kind<L::ConvLSTM2DOptions>(L::ConvLSTM2D,
                                 {.filters = 2, .kernel_size = 2, .data_format = "channels_first"},
                                 {2, 4, 3}),
      kind<L::ConvLSTM3DOptions>(L::ConvLSTM3D, {.filters = 2, .kernel_size = {1, 2, 2}},
                                 {2, 3, 4, 1})};
  all.push_back({[](bool stateful) {
                   return L::RNN({.cell = {L::LSTMCell({.units = 2, .dtype = "float64"}),
                                           L::GRUCell({.units = 3, .dtype = "float64"})},
                                  .return_sequences = true,
                                  .return_state = true,
                                  .stateful = stateful,
                                  .dtype = "float64"});
                 },
                 {2}});
  all.push_back({[](bool stateful) {
                   return L::Bidirectional({.layer = L::LSTM({.units = 2,
                                                              .return_sequences = true,
                                                              .return_state = true,
                                                              .stateful = stateful,
                                                              .dtype = "float64"}),
                                            .dtype = "float64"});
                 },
                 {2}});
  return all;
}

std::vector<Tensor> values_of(const std::vector<VariablePtr>& variables) {
  std::vector<Tensor> values;
  for (const VariablePtr& variable : variables) values.push_back(variable->value());
  return values;
}

class Stateful : public RecurrenceScene {
 protected:
  /// kBatch sequences of so many steps.
  Tensor batch_of(const Shape& step, std::int64_t steps) {
    Shape shape{kBatch, steps};
    for (const std::int64_t size : step) shape.push_back(size);
    return tensor(shape);
  }
  static SymbolicTensor input(const Tensor& like) {
    return L::Input({.dtype = "float64", .batch_shape = like.shape()});
  }
  static std::vector<Tensor> zeros_like(const std::vector<VariablePtr>& states) {
    std::vector<Tensor> zeros;
    for (const VariablePtr& state : states) {
      zeros.push_back(Tensor::zeros(state->shape(), state->dtype()));
    }
    return zeros;
  }

  /// An LSTM and what it becomes of the last step.
  struct Pair {
    ModelPtr model;    ///< stateful
    ModelPtr twin;     ///< of the same weights, is given the states
    ModelPtr carrier;  ///< of the twin's layers: the states behind a batch
    std::vector<VariablePtr> states;
  };
  Pair pair(const Tensor& like, const Regularizer& activity = {}) {
    const auto dense = [&](const SymbolicTensor& x) {
      return L::Dense({.units = 1, .activity_regularizer = activity, .dtype = "float64"})(x);
    };
    const SymbolicTensor x = input(like), z = input(like);
    Pair made;
    made.model = Functional::create(
        x, dense(L::LSTM({.units = 3, .stateful = true, .dtype = "float64"})(x)));
    made.states = L::states(*made.model);
    const SymbolicTensor h = input(made.states[0]->value()), c = input(made.states[1]->value());
    const SymbolicTensors all =
        L::LSTM({.units = 3, .return_state = true, .dtype = "float64"})->apply({z, h, c});
    made.twin = Functional::create({z, h, c}, {dense(all[0])});
    made.carrier = Functional::create({z, h, c}, {all[1], all[2]});
    made.twin->set_weights(randomized(*made.model));
    return made;
  }
  static void compile(Model& model) {
    model.compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
  }
};

}  // namespace

TEST_F(Stateful, PredictGoesOnWithWhatTheBatchBeforeLeft) {
  for (const Kind& kind : kinds()) {
    const std::int64_t steps = pick(random_, 1, 4);
    const SymbolicTensor x = input(batch_of(kind.step, steps));
    const LayerRef layer = kind.make(true), plain = kind.make(false);
    SCOPED_TRACE(layer->repr());
    const auto model = Functional::create({x}, layer->apply({x}));
    const std::vector<VariablePtr> states = L::states(*model);
    plain->build({x.shape()});
    plain->set_weights(randomized(*layer));
    std::vector<Tensor> carried = zeros_like(states);
    expect_near(values_of(states), carried);
    for (int batch = 0; batch < 4; ++batch) {
      if (batch == 3) {
        L::reset_state(*model);
        carried = zeros_like(states);
      }
      const Tensor sequences = batch_of(kind.step, steps);
      std::vector<Tensor> inputs{sequences};
      inputs.insert(inputs.end(), carried.begin(), carried.end());
      const std::vector<Tensor> wanted = lamina::testing::execute(*plain, inputs);
      expect_near(model->predict(std::vector<Tensor>{sequences}), wanted);
      carried.assign(wanted.end() - static_cast<std::ptrdiff_t>(states.size()), wanted.end());
      expect_near(values_of(states), carried);
    }
  }
}

TEST_F(Stateful, StatesAreNoWeightsAndStayOutOfConfigurations) {
  const LayerRef layer = L::LSTM({.units = 2, .stateful = true});
  EXPECT_TRUE(L::states(*layer).empty()) << "before it is built";
  const auto x = L::Input({.batch_shape = Shape{2, 4, 3}});
  const auto model = Functional::create(x, layer(x));
  ASSERT_EQ(L::states(*model).size(), 2u);
  EXPECT_EQ(L::states(*model)[1]->path(), layer->name() + "/rnn_state");
  EXPECT_EQ(model->variables().size(), 3u);
  EXPECT_EQ(model->count_params(), 8 * (3 + 2 + 1));
  (void)model->predict(Tensor::from(std::vector<float>(24, 1), {2, 4, 3}));
  const ModelPtr twin = models::clone_model(*model);
  EXPECT_EQ(twin->to_json(), model->to_json());
  for (const VariablePtr& state : L::states(*twin)) {
    EXPECT_TRUE(bitwise_equal(state->value(), Tensor::zeros({2, 2})));
  }
  EXPECT_TRUE(L::states(*L::LSTM({.units = 2})).empty());
}

TEST_F(Stateful, BatchesOfOnePredictGoOnFromEachOther) {
  const Tensor x = tensor({3 * kBatch, 4, 2});
  const Pair made = pair(batch_of({2}, 4));
  const Tensor at_once = made.model->predict(x, {.batch_size = kBatch});
  L::reset_state(*made.model);
  for (std::int64_t i = 0; i < 3; ++i) {
    Tensor rows = Tensor::empty({kBatch, 4, 2}, DType::kFloat64);
    std::copy_n(x.data<double>().begin() + i * rows.size(), rows.size(),
                rows.data<double>().begin());
    const Tensor y = made.model->predict(rows);
    for (std::int64_t k = 0; k < kBatch; ++k) {
      EXPECT_EQ(y.data<double>()[std::size_t(k)],
                at_once.data<double>()[std::size_t(i * kBatch + k)]);
    }
  }
}

TEST_F(Stateful, WhatIsAssignedOrGivenIsWhereTheyGoOn) {
  const Tensor x = batch_of({2}, 5), h = tensor({kBatch, 4});
  const LayerRef layer = L::GRU({.units = 4, .stateful = true, .dtype = "float64"});
  const SymbolicTensor in = input(x), state = input(h);
  const auto model = Functional::create(in, layer(in));
  const auto given = Functional::create({in, state}, {layer(SymbolicTensors{in, state})});
  randomized(*model);
  L::states(*layer)[0]->assign(h);
  const Tensor first = model->predict(x), second = model->predict(x);
  expect_near(values_of(L::states(*layer)), {second});
  L::reset_state(*layer);
  expect_near(given->predict({x, h}), {first});
  expect_near({model->predict(x)}, {second});
}

TEST_F(Stateful, CallsOfOneModelGoOnFromEachOther) {
  const Tensor x = batch_of({2}, 3);
  const LayerRef layer =
      L::GRU({.units = 2, .return_sequences = true, .stateful = true, .dtype = "float64"});
  const SymbolicTensor in = input(x);
  const auto model = Functional::create(in, layer(layer(in)));
  const LayerRef plain =
      L::GRU({.units = 2, .return_sequences = true, .return_state = true, .dtype = "float64"});
  plain->build({x.shape()});
  plain->set_weights(randomized(*layer));
  const Tensor zeros = Tensor::zeros({kBatch, 2}, DType::kFloat64);
  const std::vector<Tensor> once = lamina::testing::execute(*plain, {x, zeros});
  const std::vector<Tensor> twice = lamina::testing::execute(*plain, once);
  expect_near({model->predict(x)}, {twice[0]});
  expect_near(values_of(L::states(*layer)), {twice[1]});
}

TEST_F(Stateful, TimeDistributedGoesOnFromStepToStep) {
  const Tensor x = batch_of({3, 2}, 4);  // of each step a sequence of three
  const LayerRef layer = L::SimpleRNN({.units = 2, .stateful = true, .dtype = "float64"});
  const SymbolicTensor in = input(x);
  const auto model =
      Functional::create(in, L::TimeDistributed({.layer = layer, .dtype = "float64"})(in));
  const LayerRef plain = L::SimpleRNN({.units = 2, .return_sequences = true, .dtype = "float64"});
  plain->build({Shape{kBatch, 12, 2}});
  plain->set_weights(randomized(*layer));
  const Tensor whole = lamina::testing::execute(*plain, {x.reshape({kBatch, 12, 2})})[0];
  const Tensor y = model->predict(x);
  for (std::size_t b = 0; b < kBatch; ++b) {
    for (std::size_t k = 0; k < 8; ++k) {
      EXPECT_NEAR(y.data<double>()[b * 8 + k],
                  whole.data<double>()[(b * 12 + k / 2 * 3 + 2) * 2 + k % 2], 1e-12);
    }
  }
}

TEST_F(Stateful, GradientsEndWhereTheBatchBegins) {
  const Pair made = pair(batch_of({2}, 4));
  GradientTape tape(*made.model), of_twin(*made.twin);
  for (int batch = 0; batch < 3; ++batch) {
    const Tensor x = batch_of({2}, 4), slope = tensor({kBatch, 1});
    const std::vector<Tensor> before = values_of(made.states);
    const std::vector<Tensor> inputs{x, before[0], before[1]};
    expect_near(tape.forward({x}), of_twin.forward(inputs));
    expect_near(tape.gradients({slope}), of_twin.gradients({slope}));
    expect_near(values_of(made.states), made.carrier->predict(inputs));
  }
}

TEST_F(Stateful, FitAndEvaluateGoOnFromBatchToBatch) {
  for (const Regularizer& activity : {Regularizer(), Regularizer("l2")}) {
    const Tensor x = tensor({3 * kBatch, 4, 2}), y = tensor({3 * kBatch, 1});
    const Pair made = pair(batch_of({2}, 4), activity);
    compile(*made.model);
    compile(*made.twin);
    std::vector<Tensor> carried = zeros_like(made.states);
    const auto rows = [](const Tensor& of, std::int64_t i) {
      Shape shape = of.shape();
      shape[0] = kBatch;
      Tensor out = Tensor::empty(shape, DType::kFloat64);
      std::copy_n(of.data<double>().begin() + i * out.size(), out.size(),
                  out.data<double>().begin());
      return out;
    };
    const auto step = [&](std::int64_t i, const auto& run) {
      const std::vector<Tensor> inputs{rows(x, i), carried[0], carried[1]};
      carried = made.carrier->predict(inputs);
      return run(inputs, std::vector<Tensor>{rows(y, i)}).at("loss");
    };
    (void)made.model->fit(
        x, y, {.batch_size = kBatch, .epochs = 2, .verbose = Verbose::kSilent, .shuffle = false});
    for (std::int64_t i = 0; i < 6; ++i) {
      step(i % 3,
           [&](const auto& in, const auto& out) { return made.twin->train_on_batch(in, out); });
    }
    expect_near(made.model->get_weights(), made.twin->get_weights());
    expect_near(values_of(made.states), carried);
    const double loss =
        made.model->evaluate(x, y, {.batch_size = kBatch, .verbose = Verbose::kSilent}).at("loss");
    double sum = 0;
    for (std::int64_t i = 0; i < 3; ++i) {
      sum += step(
          i, [&](const auto& in, const auto& out) { return made.twin->test_on_batch(in, out); });
    }
    EXPECT_NEAR(loss, sum / 3, 1e-10);
    expect_near(values_of(made.states), carried);
  }
}

TEST_F(Stateful, StatesOfMixedPrecisionAreStoredAsVariablesAre) {
  const auto x = L::Input({.batch_shape = Shape{2, 3, 2}});
  const auto model =
      Functional::create(x, L::GRU({.units = 4, .stateful = true, .dtype = "mixed_bfloat16"})(x));
  const Tensor data = tensor({2, 3, 2}).cast(DType::kFloat32);
  const VariablePtr state = L::states(*model)[0];
  EXPECT_EQ(state->dtype(), DType::kFloat32);
  for (int i = 0; i < 2; ++i) {
    const Tensor y = model->predict(data);
    EXPECT_TRUE(bitwise_equal(state->value(), y.cast(DType::kFloat32))) << i;
  }
}

TEST_F(Stateful, ReleasedWeightsLeaveTheStates) {
  const Pair made = pair(batch_of({2}, 4));
  const std::vector<Tensor> data{batch_of({2}, 4), batch_of({2}, 4)};
  std::vector<Tensor> wanted;
  for (const Tensor& x : data) wanted.push_back(made.model->predict(x));
  L::reset_state(*made.model);
  made.model->compile_inference({data[0].shape()}, {.release_weights = true});
  EXPECT_TRUE(made.model->variables()[0]->released());
  EXPECT_FALSE(made.states[0]->released());
  for (std::size_t i = 0; i < data.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(made.model->predict(data[i]), wanted[i]));
  }
  const std::vector<Tensor> before = values_of(made.states);
  EXPECT_THROW((void)made.model->predict(tensor({kBatch - 1, 4, 2})), ValueError);
  expect_near(values_of(made.states), before);
}

TEST_F(Stateful, RefuseBatchesThatAreNotOfTheirSize) {
  const auto make = [](const Shape& shape) {
    const auto x = L::Input({.batch_shape = shape});
    return Functional::create(x, L::LSTM({.units = 2, .stateful = true, .name = "memory"})(x));
  };
  expect_words<ValueError>(
      [&] {
        (void)make({kNone, 5, 3});
      },
      "Layer 'memory' (LSTM): When using `stateful=True` in a RNN, the batch "
      "size must be static. Found dynamic batch size: sequence.shape=(None, "
      "5, 3)");
  const auto model = make({4, 5, 3});
  const auto words =
      "Layer 'memory' (LSTM): If an RNN is stateful, the batch size of the input sequences must be "
      "the same as the batch size of the initial state. \n- Expected batch size: 4\n- Received "
      "batch size: 2";
  expect_words<ValueError>([&] { (void)model->predict(Tensor::zeros({2, 5, 3})); }, words);
  // The last two of six are a batch as well.
  expect_words<ValueError>(
      [&] {
        (void)model->predict(Tensor::zeros({6, 5, 3}), {.batch_size = 4});
      },
      words);
  expect_words<ValueError>(
      [&] {
        (void)model->get_layer("memory")->apply({L::Input({.batch_shape = Shape{2, 5, 3}})});
      },
      words);
}
