// Weights of layers that users write, and what `call` makes of them.
#include <gmock/gmock.h>
#include <lamina/gradient_tape.h>
#include <lamina/ops.h>
#include <lamina/optimizers.h>
#include <lamina/training.h>

#include "tests/fakes/temporary_directory.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

class Weights : public MaskScene {
 protected:
  template <class ErrorType = ValueError, class F>
  static std::string message(const F& f) {
    try {
      f();
    } catch (const ErrorType& error) {
      return error.what();
    }
    ADD_FAILURE() << "accepted";
    return {};
  }
};

/// x * scale + shift, the shift after a variable that nothing trains.
class Affine final : public Layer {
 public:
  explicit Affine(const std::string& dtype = {}, WeightOptions scale = {.initializer = "ones"})
      : Layer({"affine", dtype, true}), scale_options_(std::move(scale)) {}
  [[nodiscard]] std::string class_name() const override { return "Affine"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
    seen_ = weight(scale_).dtype();
    return {L::Add()({L::Multiply()({x.at(0), weight(scale_)}), weight(shift_)})};
  }
  [[nodiscard]] DType seen() const { return seen_; }

 protected:
  void on_build(const std::vector<Shape>& shapes) override {
    scale_options_.shape = {1, shapes.at(0)[-1]};
    scale_options_.name = "scale";
    add_weight({.shape = {}, .dtype = "int32", .trainable = false, .name = "calls"});
    scale_ = add_weight(scale_options_);
    shift_ = add_weight({.shape = scale_options_.shape, .name = "shift"});
  }

 private:
  WeightOptions scale_options_;
  VariablePtr scale_, shift_;
  DType seen_ = DType::kBool;
};

/// Where each weight lies among a layer's own.
constexpr std::size_t kScale = 0, kShift = 1, kCalls = 2;

Tensor affine(const Tensor& x, const Layer& layer) {
  Tensor y = x.clone();
  const auto scale = layer.own_variables()[kScale]->value().data<double>();
  const auto shift = layer.own_variables()[kShift]->value().data<double>();
  for (std::size_t i = 0; i < y.data<double>().size(); ++i) {
    y.data<double>()[i] = y.data<double>()[i] * scale[i % scale.size()] + shift[i % scale.size()];
  }
  return y;
}

}  // namespace

TEST_F(Weights, ArePartOfWhatIsComputed) {
  const auto layer = std::make_shared<Affine>();
  const SymbolicTensor x = input({kNone, 3});
  const SymbolicTensor y = (*layer)(x);
  EXPECT_EQ(y.shape(), (Shape{kNone, 3}));
  const auto model = Functional::create(x, y);
  for (const std::int64_t rows : {5, 1, 32, 33}) {
    for (const std::size_t i : {kScale, kShift}) layer->own_variables()[i]->assign(normal({1, 3}));
    const Tensor data = normal({rows, 3});
    expect_near(model->predict(data), affine(data, *layer), 1e-14);
  }
}

TEST_F(Weights, StandInKerasOrderWithKerasDefaults) {
  const auto layer = std::make_shared<Affine>();
  layer->build({{kNone, 4}});
  std::vector<std::string> paths;
  for (const VariablePtr& variable : layer->own_variables()) paths.push_back(variable->path());
  EXPECT_THAT(paths, ElementsAre("affine/scale", "affine/shift", "affine/calls"));
  const std::vector<Tensor> values = layer->get_weights();
  EXPECT_EQ(layer->own_variables()[kCalls]->dtype(), DType::kInt32);
  EXPECT_EQ(values[kCalls].data<std::int32_t>()[0], 0);
  const double limit = std::sqrt(6.0 / (1 + 4));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(values[kScale].data<double>()[i], 1);
    EXPECT_NE(values[kShift].data<double>()[i], 0);  // GlorotUniform's
    EXPECT_LE(std::abs(values[kShift].data<double>()[i]), limit);
  }
}

TEST_F(Weights, HaveGradientsSummedOverCallsAndRows) {
  const auto layer = std::make_shared<Affine>();
  const SymbolicTensor x = input({kNone, 2});
  const auto model = Functional::create(x, (*layer)((*layer)(x)));
  randomize(*model);
  const Tensor data = normal({7, 2}), seed = normal({7, 2});
  GradientTape tape(*model);
  expect_near(tape.forward({data})[0], affine(affine(data, *layer), *layer), 1e-13);
  const std::vector<Tensor>& gradients = tape.gradients({seed});
  ASSERT_EQ(gradients.size(), 2U);
  const Tensor inner = affine(data, *layer);
  for (std::int64_t f = 0; f < 2; ++f) {
    const double scale = at(layer->own_variables()[kScale]->value(), {0, f});
    double of_scale = 0, of_shift = 0;
    for (std::int64_t row = 0; row < 7; ++row) {
      const double dy = at(seed, {row, f});
      of_scale += dy * (at(inner, {row, f}) + scale * at(data, {row, f}));
      of_shift += dy * (1 + scale);
    }
    EXPECT_NEAR(at(gradients[kScale], {0, f}), of_scale, 1e-11);
    EXPECT_NEAR(at(gradients[kShift], {0, f}), of_shift, 1e-11);
  }
}

TEST_F(Weights, OfAFrozenLayerAreNotTrained) {
  const auto layer = std::make_shared<Affine>();
  const SymbolicTensor x = input({kNone, 2});
  const auto model = Functional::create(x, L::Dense({.units = 1})((*layer)(x)));
  layer->set_trainable(false);
  const std::vector<Tensor> before = layer->get_weights();
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = "mse"});
  (void)model->train_on_batch(normal({6, 2}), normal({6, 1}));
  const std::vector<Tensor> after = layer->get_weights();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(bitwise_equal(before[i], after[i]));
  EXPECT_EQ(model->trainable_variables().size(), 2U);
}

TEST_F(Weights, HeedTheirRegularizerAndConstraint) {
  const auto layer =
      std::make_shared<Affine>("", WeightOptions{.initializer = initializers::Constant{-2.0},
                                                 .regularizer = regularizers::L2{0.25},
                                                 .constraint = "non_neg"});
  const SymbolicTensor x = input({kNone, 2});
  const auto model = Functional::create(x, (*layer)(x));
  GradientTape tape(*model);
  (void)tape.forward({normal({3, 2})});
  EXPECT_NEAR(tape.penalty(), 0.25 * 2 * 4, 1e-12);
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 1e-3}), .loss = "mse"});
  (void)model->train_on_batch(normal({3, 2}), normal({3, 2}));
  for (const double scale : layer->own_variables()[kScale]->value().data<double>()) {
    EXPECT_EQ(scale, 0);
  }
}

TEST_F(Weights, AreCastAsMixedPoliciesSay) {
  for (const auto& [policy, seen] :
       {std::pair("mixed_bfloat16", DType::kBFloat16), std::pair("mixed_float16", DType::kFloat16),
        std::pair("float32", DType::kFloat32)}) {
    const auto layer = std::make_shared<Affine>(policy);
    const SymbolicTensor y = (*layer)(input({kNone, 2}, "float32"));
    EXPECT_EQ(layer->seen(), seen) << policy;
    EXPECT_EQ(y.dtype(), seen) << policy;  // of layers that `call` makes
    EXPECT_EQ(layer->own_variables()[kScale]->dtype(), DType::kFloat32) << policy;
  }
}

/// x * features + steps - 2 * scalar, of weights without an axis for the batch.
class Broadcast final : public Layer {
 public:
  explicit Broadcast(const std::string& dtype = {}, std::optional<DType> result = {})
      : Layer({{}, dtype, true}), result_(result) {}
  [[nodiscard]] std::string class_name() const override { return "Broadcast"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
    const SymbolicTensor y = x.at(0) * weight(features) + weight(steps) - 2 * weight(scalar);
    return {result_ ? ops::cast(y, *result_) : y};
  }
  VariablePtr features, steps, scalar;

 protected:
  void on_build(const std::vector<Shape>& shapes) override {
    features = add_weight({.shape = {shapes.at(0)[-1]}, .name = "features"});
    steps = add_weight({.shape = {shapes[0][1], 1}, .name = "steps"});
    scalar = add_weight({.name = "scalar"});
  }

 private:
  std::optional<DType> result_;
};

TEST_F(Weights, BroadcastUnderOperatorsAndSoDoTheirGradients) {
  const auto layer = std::make_shared<Broadcast>();
  const SymbolicTensor x = input({kNone, 4, 3}), y = (*layer)(x);
  EXPECT_EQ(y.shape(), (Shape{kNone, 4, 3}));
  const auto model = Functional::create(x, y);
  randomize(*model);
  for (const std::int64_t rows : {5, 1}) {
    const Tensor data = normal({rows, 4, 3}), seed = normal({rows, 4, 3});
    GradientTape tape(*model);
    const Tensor out = tape.forward({data})[0];
    const std::vector<Tensor>& gradients = tape.gradients({seed});
    ASSERT_EQ(gradients.size(), 3U);
    Tensor features = Tensor::zeros({3}, DType::kFloat64),
           steps = Tensor::zeros({4, 1}, DType::kFloat64),
           scalar = Tensor::zeros({}, DType::kFloat64);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t t = 0; t < 4; ++t) {
        for (std::int64_t f = 0; f < 3; ++f) {
          const double dy = at(seed, {row, t, f}), element = at(data, {row, t, f});
          EXPECT_NEAR(at(out, {row, t, f}),
                      element * at(layer->features->value(), {f}) +
                          at(layer->steps->value(), {t, 0}) - 2 * at(layer->scalar->value(), {}),
                      1e-13);
          features.data<double>()[static_cast<std::size_t>(f)] += dy * element;
          steps.data<double>()[static_cast<std::size_t>(t)] += dy;
          scalar.data<double>()[0] -= 2 * dy;
        }
      }
    }
    expect_near(gradients[0], features);
    expect_near(gradients[1], steps);
    expect_near(gradients[2], scalar);
  }
}

// Variables and inputs are cast, operations are not.
TEST_F(Weights, UnderOperatorsGiveTheDtypeThatIsComputedIn) {
  for (const auto& [policy, computed] :
       {std::pair("mixed_bfloat16", DType::kBFloat16), std::pair("mixed_float16", DType::kFloat16),
        std::pair("float16", DType::kFloat16), std::pair("float32", DType::kFloat32)}) {
    const SymbolicTensor x = input({kNone, 4, 3}, "float32");
    const SymbolicTensor y = (*std::make_shared<Broadcast>(policy))(x);
    EXPECT_EQ(y.dtype(), computed) << policy;
    const SymbolicTensor wide = (*std::make_shared<Broadcast>(policy, DType::kFloat32))(x);
    EXPECT_EQ(wide.dtype(), DType::kFloat32) << policy;
    const auto model = Functional::create({x}, {y, wide, y + wide});
    const std::vector<Tensor> out =
        model->predict(std::vector<Tensor>{normal({2, 4, 3}).cast(DType::kFloat32)});
    EXPECT_EQ(out[0].dtype(), computed) << policy;
    EXPECT_EQ(out[1].dtype(), DType::kFloat32) << policy;
    EXPECT_EQ(out[2].dtype(), DType::kFloat32) << policy;
  }
}

TEST_F(Weights, MayBeIntegersThatNothingRounds) {
  class Offset final : public Layer {
   public:
    Offset() : Layer(Base{}) {}
    [[nodiscard]] std::string class_name() const override { return "Offset"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
      return {L::Add()({x.at(0), weight(offset)})};
    }
    VariablePtr offset;

   protected:
    void on_build(const std::vector<Shape>&) override {
      offset = add_weight({.shape = {1, 2}, .dtype = "int32", .trainable = false});
    }
  };
  const auto layer = std::make_shared<Offset>();
  const SymbolicTensor ids = input({kNone, 2}, "int32");
  const auto model = Functional::create(ids, (*layer)(ids));
  constexpr std::int32_t kLarge = (1 << 30) + 1;
  layer->offset->assign(Tensor::from<std::int32_t>({kLarge, -kLarge}, {1, 2}));
  const Tensor sum = model->predict(Tensor::from<std::int32_t>({1, 2, 3, 4}, {2, 2}));
  EXPECT_TRUE(bitwise_equal(
      sum.cast(DType::kInt32),
      Tensor::from<std::int32_t>({kLarge + 1, 2 - kLarge, kLarge + 3, 4 - kLarge}, {2, 2})));
}

TEST_F(Weights, OfAModelAreBuiltBesideItsLayers) {
  class Own final : public SubclassedModel {
   public:
    Own() : SubclassedModel(), dense_(track("dense", L::Dense({.units = 3}))) {}
    [[nodiscard]] std::string class_name() const override { return "Own"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
      return {L::Multiply()({(*dense_)(x.at(0)), weight(gain)})};
    }
    VariablePtr gain;

   protected:
    void on_build(const std::vector<Shape>&) override {
      gain = add_weight({.shape = {1, 3}, .name = "gain"});
    }

   private:
    LayerPtr dense_;
  };
  const auto model = std::make_shared<Own>(), twin = std::make_shared<Own>();
  model->build({{kNone, 2}});
  twin->build({{kNone, 2}});
  ASSERT_EQ(model->variables().size(), 3U);
  EXPECT_EQ(model->variables()[0], model->gain);
  randomize(*model);
  const Tensor data = normal({4, 2}), before = model->predict(data);
  const lamina::testing::TemporaryDirectory directory;
  model->save_weights(directory / "own.weights.h5");
  twin->load_weights(directory / "own.weights.h5");
  EXPECT_TRUE(bitwise_equal(twin->predict(data), before));
  // Values that take another one's place are those of the next prediction.
  model->gain->assign(Tensor::zeros({1, 3}, DType::kFloat64));
  expect_near(model->predict(data), Tensor::zeros({4, 3}, DType::kFloat64), 0);
}

TEST_F(Weights, OfAnotherLayerAreSharedWithIt) {
  class Tied final : public Layer {
   public:
    explicit Tied(LayerPtr other) : Layer(Base{}), other_(std::move(other)) {}
    [[nodiscard]] std::string class_name() const override { return "Tied"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
      return {L::Multiply()({x.at(0), weight(other_->own_variables().at(kScale))})};
    }

   private:
    LayerPtr other_;
  };
  const auto first = std::make_shared<Affine>();
  const auto tied = std::make_shared<Tied>(first);
  const SymbolicTensor x = input({kNone, 2});
  const auto model = Functional::create(x, (*tied)((*first)(x)));
  EXPECT_EQ(model->variables().size(), 3U);
  randomize(*model);
  const Tensor data = normal({3, 2}), y = model->predict(data), inner = affine(data, *first);
  for (std::int64_t f = 0; f < 2; ++f) {
    const double scale = at(first->own_variables()[kScale]->value(), {0, f});
    EXPECT_NEAR(at(y, {2, f}), at(inner, {2, f}) * scale, 1e-13);
  }
}

TEST_F(Weights, ThatAreNotThereAreNamed) {
  class Forgetful final : public Layer {
   public:
    Forgetful() : Layer({"forgetful", {}, true}) {}
    [[nodiscard]] std::string class_name() const override { return "Forgetful"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
      return {L::Multiply()({x.at(0), weight(nullptr)})};
    }
    [[nodiscard]] SymbolicTensor take(const VariablePtr& variable) const {
      return weight(variable);
    }
  };
  const auto layer = std::make_shared<Forgetful>();
  EXPECT_THAT(message([&] {
                (void)(*layer)(input({kNone, 2}));
              }),
              HasSubstr("Layer 'forgetful' (Forgetful): asks for the value of a variable that is "
                        "null"));
  // A graph of one's own would not hold the variable.
  const auto variable = std::make_shared<Variable>("v", normal({1, 2}));
  const SymbolicTensor x = input({kNone, 2});
  EXPECT_THAT(message([&] {
                (void)Functional::create(x, L::Add()({x, layer->take(variable)}));
              }),
              HasSubstr("is not connected to `inputs`"));
}

TEST_F(Weights, OfAnUnknownShapeAreRefusedAndLeaveNothing) {
  const auto layer = std::make_shared<Affine>();
  EXPECT_THAT(message([&] {
                layer->build({{kNone, kNone}});
              }),
              HasSubstr("shape=(1, None) for variable path='affine/scale'"));
  EXPECT_TRUE(layer->variables().empty());
  layer->build({{kNone, 5}});
  EXPECT_EQ(layer->own_variables()[kScale]->shape(), (Shape{1, 5}));
}
