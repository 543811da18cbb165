// Cells, RNN and StackedRNNCells beside what keras_cases.json holds them to.
#include <lamina/error.h>
#include <lamina/lamina.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/layers/execute.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr std::int64_t kBatch = 3, kTime = 9, kWidth = 4;

class RecurrentCells : public MaskScene {
 protected:
  bool coin() { return random_() % 2 == 0; }

  /// Small ones, for what is repeated.
  void give_weights(const Layer& layer) {
    for (const VariablePtr& variable : layer.variables()) {
      Tensor value = normal(variable->shape());
      for (double& element : value.data<double>()) element /= 2;
      variable->assign(value);
    }
  }
  static std::vector<LayerRef> three_cells() {
    return {L::LSTMCell({.units = 3}), L::GRUCell({.units = 5, .reset_after = false}),
            L::SimpleRNNCell({.units = 2})};
  }
  static constexpr std::int64_t kSizes[] = {3, 3, 5, 2};
};

Tensor step_of(const Tensor& x, std::int64_t t) {
  Tensor step = Tensor::empty({x.shape()[0], x.shape()[2]}, DType::kFloat64);
  for (std::int64_t b = 0; b < x.shape()[0]; ++b) {
    for (std::int64_t k = 0; k < x.shape()[2]; ++k) {
      step.data<double>()[static_cast<std::size_t>(b * x.shape()[2] + k)] = at(x, {b, t, k});
    }
  }
  return step;
}

/// `now` in the rows where step `t` counts, else `before`.
Tensor chosen(const Tensor& now, const Tensor& before, const Tensor& mask, std::int64_t t) {
  Tensor out = now.clone();
  for (std::int64_t b = 0; b < now.shape()[0]; ++b) {
    for (std::int64_t k = 0; k < now.shape()[1]; ++k) {
      if (at(mask, {b, t}) != 0) continue;
      out.data<double>()[static_cast<std::size_t>(b * now.shape()[1] + k)] = at(before, {b, k});
    }
  }
  return out;
}

/// What a cell gives step by step when it is applied by itself: outputs, then the states.
std::vector<Tensor> stepped(Layer& cell, const Tensor& x, std::vector<Tensor> states,
                            const Tensor& mask, bool go_backwards, bool zeros) {
  std::vector<Tensor> outputs;
  Tensor last = states.back();  // of a stack whose last cell has one state
  for (std::int64_t i = 0; i < x.shape()[1]; ++i) {
    const std::int64_t t = go_backwards ? x.shape()[1] - 1 - i : i;
    std::vector<Tensor> inputs{step_of(x, t)};
    inputs.insert(inputs.end(), states.begin(), states.end());
    std::vector<Tensor> given = lamina::testing::execute(cell, inputs);
    last = zeros ? Tensor::zeros(last.shape(), DType::kFloat64) : states.back();
    outputs.push_back(chosen(given[0], last, mask, t));
    for (std::size_t k = 0; k < states.size(); ++k) {
      states[k] = chosen(given[k + 1], states[k], mask, t);
    }
  }
  outputs.insert(outputs.end(), states.begin(), states.end());
  return outputs;
}

std::string words_of(const std::function<void()>& make) {
  try {
    make();
    return "nothing was thrown";
  } catch (const UnsupportedError& error) {
    return std::string("unsupported: ") + error.what();
  } catch (const Error& error) {
    return error.what();
  }
}

void expect_words(const std::function<void()>& make, const std::string& words) {
  const std::string text = words_of(make);
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

}  // namespace

TEST_F(RecurrentCells, GoThroughSequencesAsTheLayersOfTheirNames) {
  const Tensor x = normal({kBatch, kTime, kWidth}), mask = flags({kBatch, kTime});
  const auto compare = [&](const LayerRef& layer, LayerPtr cell, std::size_t states, bool back,
                           bool zeros) {
    SCOPED_TRACE(layer->repr());
    const LayerRef rnn = L::RNN({.cell = std::move(cell),
                                 .return_sequences = true,
                                 .return_state = true,
                                 .go_backwards = back,
                                 .zero_output_for_mask = zeros});
    layer->build({x.shape()});
    rnn->build({x.shape()});
    give_weights(*layer);
    rnn->set_weights(layer->get_weights());
    std::vector<Tensor> inputs{x};
    if (coin()) {
      while (inputs.size() <= states) inputs.push_back(normal({kBatch, 3}));
    }
    inputs.push_back(mask);
    const layers::CallForm form{.keywords = {"mask"}, .flags = {}};
    const std::vector<Tensor> wanted = lamina::testing::execute(*layer, inputs, form),
                              found = lamina::testing::execute(*rnn, inputs, form);
    ASSERT_EQ(found.size(), 1 + states);
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(found[i], wanted[i])) << i;
    }
  };
  for (int round = 0; round < 4; ++round) {
    const bool back = coin(), zeros = coin(), reset_after = coin();
    compare(L::SimpleRNN({.units = 3,
                          .return_sequences = true,
                          .return_state = true,
                          .go_backwards = back,
                          .zero_output_for_mask = zeros}),
            L::SimpleRNNCell({.units = 3}), 1, back, zeros);
    compare(L::LSTM({.units = 3,
                     .return_sequences = true,
                     .return_state = true,
                     .go_backwards = back,
                     .zero_output_for_mask = zeros}),
            L::LSTMCell({.units = 3}), 2, back, zeros);
    compare(L::GRU({.units = 3,
                    .return_sequences = true,
                    .return_state = true,
                    .go_backwards = back,
                    .zero_output_for_mask = zeros,
                    .reset_after = reset_after}),
            L::GRUCell({.units = 3, .reset_after = reset_after}), 1, back, zeros);
  }
}

TEST_F(RecurrentCells, OnTopOfEachOtherGoStepByStep) {
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    const bool back = coin(), zeros = coin(), sequences = coin(), masked = coin();
    const LayerPtr stack = L::RNN({.cell = three_cells(),
                                   .return_sequences = sequences,
                                   .return_state = true,
                                   .go_backwards = back,
                                   .zero_output_for_mask = zeros});
    const Tensor x = normal({kBatch, kTime, kWidth});
    stack->build({x.shape()});
    give_weights(*stack);
    Tensor mask = flags({kBatch, kTime});
    if (!masked) std::ranges::fill(mask.data<bool>(), true);
    std::vector<Tensor> inputs{x}, states;
    const bool given = coin();
    for (const std::int64_t size : kSizes) {
      states.push_back(given ? normal({kBatch, size})
                             : Tensor::zeros({kBatch, size}, DType::kFloat64));
      if (given) inputs.push_back(states.back());
    }
    layers::CallForm form;
    if (masked) {
      inputs.push_back(mask);
      form.keywords = {"mask"};
    }
    const std::vector<Tensor> wanted =
        stepped(*stack->sublayers().at(0), x, states, mask, back, zeros);
    const std::vector<Tensor> found = lamina::testing::execute(*stack, inputs, form);
    ASSERT_EQ(found.size(), 5u);
    for (std::size_t k = 0; k < 4; ++k) expect_near(found[1 + k], wanted[kTime + k]);
    for (std::int64_t t = 0; sequences && t < kTime; ++t) {
      expect_near(step_of(found[0], t), wanted[static_cast<std::size_t>(t)]);
    }
    if (!sequences) expect_near(found[0], wanted[kTime - 1]);
  }
}

TEST_F(RecurrentCells, GoBothWays) {
  const SymbolicTensor x = input({kNone, kTime, kWidth});
  const auto both = [&](const LayerPtr& layer) {
    const ModelPtr model =
        Functional::create(x, L::Bidirectional({.layer = layer})(L::Masking({.mask_value = 0})(x)));
    return model;
  };
  const ModelPtr of_cell =
      both(L::RNN({.cell = L::GRUCell({.units = 3}), .return_sequences = true}));
  const ModelPtr of_layer = both(L::GRU({.units = 3, .return_sequences = true}));
  for (const VariablePtr& variable : of_cell->variables())
    variable->assign(normal(variable->shape()));
  of_layer->set_weights(of_cell->get_weights());
  Tensor values = normal({kBatch, kTime, kWidth});
  for (std::size_t i = 0; i < 2 * kWidth; ++i) values.data<double>()[i] = 0;
  EXPECT_TRUE(bitwise_equal(of_cell->predict(values), of_layer->predict(values)));
}

// Without recurrence a step's output hangs on its own input alone, which is the same at all steps.
TEST_F(RecurrentCells, DropTheSameAtAllStepsInEachCell) {
  const SymbolicTensor x = input({2, 5, 6});
  const LayerRef rnn = L::RNN(
      {.cell = {L::SimpleRNNCell({.units = 8}), L::SimpleRNNCell({.units = 7, .dropout = 0.5})},
       .return_sequences = true});
  const ModelPtr model = Functional::create(x, rnn(x));
  randomize(*model);
  const std::vector<VariablePtr> weights = model->variables();
  for (const std::size_t recurrent : {1u, 4u}) {
    weights.at(recurrent)->assign(Tensor::zeros(weights[recurrent]->shape(), DType::kFloat64));
  }
  const Tensor ones = Tensor::from(std::vector<double>(60, 0.1), {2, 5, 6});
  const Tensor plain = model->predict(ones);
  GradientTape tape(*model, seed_);
  const Tensor y = tape.forward({ones})[0];
  int changed = 0;
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t k = 0; k < 7; ++k) {
      changed += std::abs(at(y, {b, 0, k}) - at(plain, {b, 0, k})) > 1e-9;
      for (std::int64_t t = 1; t < 5; ++t) EXPECT_NEAR(at(y, {b, t, k}), at(y, {b, 0, k}), 1e-12);
    }
  }
  EXPECT_GT(changed, 4);
}

TEST_F(RecurrentCells, HaveKerasNamesAndPaths) {
  clear_session();
  const auto paths = [](const Layer& layer) {
    std::string text;
    for (const VariablePtr& variable : layer.variables()) text += variable->path() + "\n";
    return text;
  };
  const LayerRef one = L::RNN({.cell = L::LSTMCell({.units = 2, .use_bias = false})});
  one->build({{kNone, 4, 3}});
  EXPECT_EQ(paths(*one), "rnn/lstm_cell/kernel\nrnn/lstm_cell/recurrent_kernel\n");
  const LayerRef several = L::RNN({.cell = {L::LSTMCell({.units = 2, .use_bias = false}),
                                            L::GRUCell({.units = 2, .use_bias = false})}});
  several->build({{kNone, kNone, 3}});
  EXPECT_EQ(paths(*several),
            "rnn_1/stacked_rnn_cells/lstm_cell_1/kernel\n"
            "rnn_1/stacked_rnn_cells/lstm_cell_1/recurrent_kernel\n"
            "rnn_1/stacked_rnn_cells/gru_cell/kernel\n"
            "rnn_1/stacked_rnn_cells/gru_cell/recurrent_kernel\n");
  EXPECT_EQ(several->variables()[2]->shape(), (Shape{2, 6})) << "the size of what is below it";
  EXPECT_EQ(several->attributes().at(0).name, "cell");
  EXPECT_EQ(several->sublayers().at(0)->attributes().at(0).name, "cells");
}

TEST_F(RecurrentCells, ComeBackFromAModelsConfigurationWithTheirStates) {
  const SymbolicTensor x = input({kNone, 6, kWidth}), v = input({kNone, kWidth});
  const SymbolicTensors first =
      L::RNN({.cell = three_cells(), .return_sequences = true, .return_state = true})->apply({x});
  const SymbolicTensor second = L::RNN({.cell = three_cells(), .go_backwards = true})(
      {x, first[1], first[2], first[3], first[4]});
  const SymbolicTensors third = L::LSTMCell({.units = 3})->apply({v, first[1], first[2]});
  const SymbolicTensors fourth =
      L::StackedRNNCells({.cells = {L::GRUCell({.units = 5}), L::LSTMCell({.units = 3})}})
          ->apply({third[0], first[3], third[1], third[2]});
  const ModelPtr model = Functional::create({x, v}, {first[0], second, fourth[0], fourth[3]});
  const std::string text = model->to_json();
  EXPECT_NE(text.find(R"("initial_state":[[{)"), std::string::npos) << "nested as Keras has it";
  const ModelPtr twin = Model::from_json_text(text);
  EXPECT_EQ(twin->to_json(), text);
  give_weights(*model);
  twin->set_weights(model->get_weights());
  const std::vector<Tensor> given{normal({2, 6, kWidth}), normal({2, kWidth})};
  const std::vector<Tensor> ours = model->predict(given), again = twin->predict(given);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(bitwise_equal(ours[i], again[i])) << i;
}

TEST_F(RecurrentCells, RefuseWhatDoesNotSuitThem) {
  expect_words([] { (void)L::RNN({}); },
               "Argument `cell` should have a `call` method. Received: cell=None");
  expect_words([] { (void)L::RNN({.cell = L::Dense({.units = 1, .name = "d"})}); },
               "The RNN cell should have a `state_size` attribute (single integer or list of "
               "integers, one integer per RNN state). Received: cell=<Dense name=d, built=False>");
  expect_words([] { (void)L::StackedRNNCells({}); }, "takes one cell at least");
  expect_words([] { (void)L::StackedRNNCells({.cells = {L::Dense({.units = 1, .name = "d"})}}); },
               "All cells must have a `state_size` attribute. Received cell without a "
               "`state_size`: <Dense name=d, built=False>");
  expect_words(
      [] {
        (void)L::StackedRNNCells({.cells = {L::GRUCell({.units = 1, .dtype = "float64"}),
                                            L::GRUCell({.units = 1, .dtype = "float32"})}});
      },
      "computes in another dtype");
  expect_words([] { (void)L::LSTMCell({.units = -1, .name = "c"}); },
               "Layer 'c' (LSTMCell): Received an invalid value for argument `units`, expected a "
               "positive integer, got -1.");
  const auto applied = [](const LayerRef& cell, const std::vector<Shape>& shapes) {
    return [cell, shapes] {
      SymbolicTensors inputs;
      for (const Shape& shape : shapes) inputs.push_back(input(shape));
      (void)cell->apply(inputs);
    };
  };
  const LayerRef cell = L::LSTMCell({.units = 2, .name = "c"});
  expect_words(applied(cell, {{3, 4}, {3, 2}}), "takes 2 states. Received: 1");
  expect_words(applied(cell, {{3, 4}, {3, 2}, {3, 1}}), "takes states of the shape (3, 2)");
  expect_words(applied(cell, {{3, 4, 5}, {3, 2}, {3, 2}}), "takes one step of the shape");
  expect_words(applied(cell, {{3, 4}}), "without the argument `states`");
  const LayerRef penalized = L::GRUCell({.units = 1, .name = "g"});
  penalized->set_activity_regularizer("l2");
  expect_words([&] { (void)L::RNN({.cell = penalized, .name = "r"}); },
               "unsupported: Layer 'r' (RNN): the activity_regularizer of Layer 'g' (GRUCell)");
}
