// SimpleRNN, LSTM, GRU and Bidirectional beside what keras_cases.json holds them to: step by step
// against their formulas, masks and dropout.
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <cmath>
#include <functional>

#include "tests/layers/execute.h"
#include "tests/layers/recurrence_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using Row = std::vector<double>;

/// x (in) times columns [begin, begin + count) of a kernel (in, columns).
Row product(const Row& x, const Tensor& kernel, std::size_t begin, std::size_t count) {
  const auto columns = static_cast<std::size_t>(kernel.shape()[1]);
  Row y(count, 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t k = 0; k < count; ++k) {
      y[k] += x[i] * kernel.data<double>()[i * columns + begin + k];
    }
  }
  return y;
}

/// One step by the formulas of the header: states in, states out.
using Cell = std::function<std::vector<Row>(const Row&, const std::vector<Row>&)>;

Cell simple_cell(const std::vector<Tensor>& w, std::size_t units) {
  return [w, units](const Row& x, const std::vector<Row>& s) {
    Row y = product(x, w[0], 0, units);
    const Row inner = product(s[0], w[1], 0, units);
    for (std::size_t k = 0; k < units; ++k)
      y[k] = std::tanh(y[k] + inner[k] + w[2].data<double>()[k]);
    return std::vector<Row>{y};
  };
}

Cell lstm_cell(const std::vector<Tensor>& w, std::size_t units) {
  return [w, units](const Row& x, const std::vector<Row>& s) {
    Row z = product(x, w[0], 0, 4 * units);
    const Row inner = product(s[0], w[1], 0, 4 * units);
    for (std::size_t k = 0; k < z.size(); ++k) z[k] += inner[k] + w[2].data<double>()[k];
    Row h(units), c(units);
    for (std::size_t k = 0; k < units; ++k) {
      c[k] = sigmoid(z[units + k]) * s[1][k] + sigmoid(z[k]) * std::tanh(z[2 * units + k]);
      h[k] = sigmoid(z[3 * units + k]) * std::tanh(c[k]);
    }
    return std::vector<Row>{h, c};
  };
}

Cell gru_cell(const std::vector<Tensor>& w, std::size_t units, bool reset_after) {
  return [w, units, reset_after](const Row& x, const std::vector<Row>& s) {
    const auto bias = [&](std::size_t row, std::size_t k) {
      if (row == 1 && !reset_after) return 0.0;
      return w[2].data<double>()[row * 3 * units + k];
    };
    const Row outer = product(x, w[0], 0, 3 * units), inner = product(s[0], w[1], 0, 3 * units);
    const auto gate = [&](std::size_t k) {
      return sigmoid(outer[k] + bias(0, k) + inner[k] + bias(1, k));
    };
    Row reset = s[0];
    for (std::size_t k = 0; k < units; ++k) reset[k] *= gate(units + k);
    const Row before = product(reset, w[1], 2 * units, units);
    Row h(units);
    for (std::size_t k = 0; k < units; ++k) {
      const std::size_t at = 2 * units + k;
      const double after = gate(units + k) * (inner[at] + bias(1, at));
      const double news = std::tanh(outer[at] + bias(0, at) + (reset_after ? after : before[k]));
      h[k] = gate(k) * s[0][k] + (1 - gate(k)) * news;
    }
    return std::vector<Row>{h};
  };
}

/// How a cell goes through a sequence.
struct Course {
  bool go_backwards = false, zero_output = false;
  std::vector<Tensor> initial = {};
  Tensor mask = {};  ///< (batch, time) bool; undefined: none
};

/// Sequence (batch, time, units) and states that a cell gives for x, sample by sample.
std::vector<Tensor> expected(const Cell& cell, const Tensor& x, std::size_t units,
                             std::size_t states, const Course& course) {
  const auto batch = static_cast<std::size_t>(x.shape()[0]);
  const auto steps = static_cast<std::size_t>(x.shape()[1]);
  const auto width = static_cast<std::size_t>(x.shape()[2]);
  std::vector<Tensor> out{Tensor::zeros(
      {x.shape()[0], x.shape()[1], static_cast<std::int64_t>(units)}, DType::kFloat64)};
  for (std::size_t i = 0; i < states; ++i) {
    out.push_back(Tensor::zeros({x.shape()[0], static_cast<std::int64_t>(units)}, DType::kFloat64));
  }
  for (std::size_t b = 0; b < batch; ++b) {
    std::vector<Row> now(states, Row(units, 0));
    for (std::size_t i = 0; i < course.initial.size(); ++i) {
      for (std::size_t k = 0; k < units; ++k)
        now[i][k] = course.initial[i].data<double>()[b * units + k];
    }
    for (std::size_t i = 0; i < steps; ++i) {
      const std::size_t t = course.go_backwards ? steps - 1 - i : i;
      const bool counts = !course.mask.defined() || course.mask.data<bool>()[b * steps + t];
      const auto first =
          x.data<double>().begin() + static_cast<std::ptrdiff_t>((b * steps + t) * width);
      if (counts) now = cell(Row(first, first + static_cast<std::ptrdiff_t>(width)), now);
      for (std::size_t k = 0; k < units; ++k) {
        out[0].data<double>()[(b * steps + i) * units + k] =
            counts || !course.zero_output ? now[0][k] : 0;
      }
    }
    for (std::size_t i = 0; i < states; ++i) {
      for (std::size_t k = 0; k < units; ++k) out[1 + i].data<double>()[b * units + k] = now[i][k];
    }
  }
  return out;
}

class RecurrentLayers : public RecurrenceScene {
 protected:
  /// A layer that returns its sequence and states, on random sequences, with and without initial
  /// states and masks, against its formulas.
  template <class Options>
  void expect_formulas(
      LayerRef (*make)(Options), Options options, std::size_t states,
      const std::function<Cell(const std::vector<Tensor>&, std::size_t)>& cell_of) {
    for (int round = 0; round < 6 && !HasFatalFailure(); ++round) {
      options.units = pick(random_, 1, 4);
      options.return_sequences = options.return_state = true;
      options.go_backwards = coin();
      options.zero_output_for_mask = coin();
      options.dtype = "float64";
      const LayerRef layer = make(options);
      const Tensor x = tensor({pick(random_, 1, 3), pick(random_, 1, 30), pick(random_, 1, 3)});
      layer->build({x.shape()});
      const Cell cell = cell_of(randomized(*layer), static_cast<std::size_t>(options.units));
      Course course{options.go_backwards, options.zero_output_for_mask};
      std::vector<Tensor> inputs{x};
      if (coin()) {
        for (std::size_t i = 0; i < states; ++i) {
          course.initial.push_back(tensor({x.shape()[0], options.units}));
          inputs.push_back(course.initial.back());
        }
      }
      const auto wanted = [&] {
        return expected(cell, x, static_cast<std::size_t>(options.units), states, course);
      };
      expect_near(lamina::testing::execute(*layer, inputs), wanted());
      course.mask = random_mask(x);
      inputs[0] = broken_where_masked(x, course.mask);
      inputs.push_back(course.mask);
      expect_near(lamina::testing::execute(*layer, inputs, {.keywords = {"mask"}, .flags = {}}),
                  wanted());
    }
  }
};

}  // namespace

TEST_F(RecurrentLayers, SimpleRNNFollowsItsFormula) {
  expect_formulas<layers::SimpleRNNOptions>(layers::SimpleRNN, {}, 1, simple_cell);
}

TEST_F(RecurrentLayers, LSTMFollowsItsFormula) {
  expect_formulas<layers::LSTMOptions>(layers::LSTM, {}, 2, lstm_cell);
}

TEST_F(RecurrentLayers, GRUFollowsItsFormulas) {
  for (const bool reset_after : {true, false}) {
    expect_formulas<layers::GRUOptions>(
        layers::GRU, {.reset_after = reset_after}, 1,
        [reset_after](const std::vector<Tensor>& weights, std::size_t units) {
          return gru_cell(weights, units, reset_after);
        });
  }
}

TEST_F(RecurrentLayers, GiveTheLastStepUnlessSequencesAreAskedFor) {
  const Tensor x = tensor({2, 5, 3});
  for (const bool back : {false, true}) {
    const LayerRef last = layers::LSTM({.units = 4, .go_backwards = back, .dtype = "float64"});
    const LayerRef all = layers::LSTM(
        {.units = 4, .return_sequences = true, .go_backwards = back, .dtype = "float64"});
    last->build({x.shape()});
    all->build({x.shape()});
    all->set_weights(randomized(*last));
    const Tensor y = lamina::testing::execute(*last, {x})[0];
    const Tensor sequence = lamina::testing::execute(*all, {x})[0];
    ASSERT_EQ(y.shape(), (Shape{2, 4}));
    for (std::size_t b = 0; b < 2; ++b) {
      for (std::size_t k = 0; k < 4; ++k) {
        EXPECT_EQ(y.data<double>()[b * 4 + k], sequence.data<double>()[(b * 5 + 4) * 4 + k]);
      }
    }
  }
}

TEST_F(RecurrentLayers, TakeStatesThatAreIntegers) {
  const LayerRef layer = layers::GRU({.units = 2, .dtype = "float64"});
  const Tensor x = tensor({2, 3, 2}), h = Tensor::from<std::int32_t>({1, -2, 3, 0}, {2, 2});
  layer->build({x.shape()});
  randomized(*layer);
  EXPECT_TRUE(bitwise_equal(lamina::testing::execute(*layer, {x, h})[0],
                            lamina::testing::execute(*layer, {x, h.cast(DType::kFloat64)})[0]));
}

TEST_F(RecurrentLayers, BidirectionalMergesBothWays) {
  const Tensor x = tensor({2, 6, 3});
  for (const char* mode : {"concat", "sum", "ave", "mul", ""}) {
    for (const bool sequences : {false, true}) {
      SCOPED_TRACE(std::string(mode) + (sequences ? ", sequences" : ""));
      const LayerRef layer =
          layers::Bidirectional({.layer = layers::GRU({.units = 4,
                                                       .return_sequences = sequences,
                                                       .return_state = true,
                                                       .dtype = "float64"}),
                                 .merge_mode = mode,
                                 .dtype = "float64"});
      layer->build({x.shape()});
      randomized(*layer);
      const std::vector<Tensor> all = lamina::testing::execute(*layer, {x});
      const std::vector<LayerPtr> ways = layer->sublayers();
      ASSERT_EQ(ways.size(), 2u);
      const std::vector<Tensor> there = lamina::testing::execute(*ways[0], {x}),
                                back = lamina::testing::execute(*ways[1], {x});
      const std::string how = mode;
      ASSERT_EQ(all.size(), how.empty() ? 4u : 3u);
      EXPECT_TRUE(bitwise_equal(all[all.size() - 2], there[1]));
      EXPECT_TRUE(bitwise_equal(all[all.size() - 1], back[1]));
      const std::size_t steps = sequences ? 6 : 1;
      for (std::size_t row = 0; row < 2 * steps; ++row) {
        const std::size_t turned = row / steps * steps + steps - 1 - row % steps;
        for (std::size_t k = 0; k < 4; ++k) {
          const double a = there[0].data<double>()[row * 4 + k];
          const double b = back[0].data<double>()[turned * 4 + k];
          const auto got = [&](std::size_t i, std::size_t at) { return all[i].data<double>()[at]; };
          if (how.empty()) {
            EXPECT_EQ(got(0, row * 4 + k), a);
            EXPECT_EQ(got(1, row * 4 + k), b);
          } else if (how == "concat") {
            EXPECT_EQ(got(0, row * 8 + k), a);
            EXPECT_EQ(got(0, row * 8 + 4 + k), b);
          } else {
            const double wanted = how == "sum" ? a + b : how == "ave" ? (a + b) / 2 : a * b;
            EXPECT_DOUBLE_EQ(got(0, row * 4 + k), wanted);
          }
        }
      }
    }
  }
}

// Without recurrence a step's output hangs on its own input alone, which is the same at all steps.
TEST_F(RecurrentLayers, DropTheSameOfTheInputsAtAllSteps) {
  const auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{4, 6, 8}});
  const auto model = Functional::create(
      x, layers::SimpleRNN(
             {.units = 5, .dropout = 0.5, .return_sequences = true, .dtype = "float64"})(x));
  randomized(*model);
  model->weights()[1]->assign(Tensor::zeros({5, 5}, DType::kFloat64));
  const Tensor value = Tensor::from(std::vector<double>(4 * 6 * 8, 1), {4, 6, 8});
  const Tensor plain = model->predict(value);
  GradientTape tape(*model, seed_);
  const Tensor& dropped = tape.forward({value})[0];
  std::size_t changed = 0;
  for (std::size_t b = 0; b < 4; ++b) {
    for (std::size_t k = 0; k < 5; ++k) {
      const double first = dropped.data<double>()[b * 30 + k];
      changed += std::abs(first - plain.data<double>()[b * 30 + k]) > 1e-9;
      for (std::size_t t = 1; t < 6; ++t) {
        EXPECT_NEAR(dropped.data<double>()[b * 30 + t * 5 + k], first, 1e-12);
      }
    }
  }
  EXPECT_GT(changed, 10u);
}

// What is kept of a state is doubled at each step.
TEST_F(RecurrentLayers, DropTheSameOfTheStatesAtAllSteps) {
  const SymbolicTensors inputs{layers::Input({.dtype = "float64", .batch_shape = Shape{3, 4, 1}}),
                               layers::Input({.dtype = "float64", .batch_shape = Shape{3, 20}})};
  const LayerRef layer = layers::SimpleRNN({.units = 20,
                                            .activation = "linear",
                                            .use_bias = false,
                                            .recurrent_initializer = "identity",
                                            .recurrent_dropout = 0.5,
                                            .return_sequences = true,
                                            .dtype = "float64"});
  const auto model = Functional::create(inputs, {layer(inputs)});
  GradientTape tape(*model, seed_);
  const Tensor y = tape.forward({Tensor::zeros({3, 4, 1}, DType::kFloat64),
                                 Tensor::from(std::vector<double>(60, 1), {3, 20})})[0];
  std::size_t kept = 0;
  for (std::size_t b = 0; b < 3; ++b) {
    for (std::size_t k = 0; k < 20; ++k) {
      const bool is_kept = y.data<double>()[b * 80 + k] != 0;
      kept += is_kept;
      for (std::size_t t = 0; t < 4; ++t) {
        EXPECT_DOUBLE_EQ(y.data<double>()[b * 80 + t * 20 + k], is_kept ? std::exp2(t + 1) : 0);
      }
    }
  }
  EXPECT_GT(kept, 5u);
  EXPECT_LT(kept, 55u);
}

TEST_F(RecurrentLayers, ComeBackFromAModelsConfigurationWithStates) {
  const auto x = layers::Input({.shape = {6, 3}}), z = layers::Input({.shape = {4, 2}});
  const SymbolicTensors encoded =
      layers::LSTM({.units = 5, .return_sequences = true, .return_state = true})->apply({x});
  const auto decoded = layers::LSTM({.units = 5, .return_sequences = true})(
      SymbolicTensors{z, encoded[1], encoded[2]});
  const auto last = layers::GRU({.units = 5})(SymbolicTensors{encoded[0], encoded[1]});
  const SymbolicTensors both =
      layers::Bidirectional({.layer = layers::GRU({.units = 3}), .merge_mode = ""})
          ->apply({decoded});
  const auto model = Functional::create({x, z}, {last, both[0], both[1]});
  const std::string text = model->to_json();
  const ModelPtr twin = Model::from_json_text(text);
  EXPECT_EQ(twin->to_json(), text);
  twin->set_weights(model->get_weights());
  const Tensor a = tensor({2, 6, 3}).cast(DType::kFloat32),
               b = tensor({2, 4, 2}).cast(DType::kFloat32);
  const std::vector<Tensor> ours = model->predict({a, b}), again = twin->predict({a, b});
  ASSERT_EQ(ours.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(bitwise_equal(ours[i], again[i])) << i;
}
