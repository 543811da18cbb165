// What `call` of a layer that users write is told of a call: masks, arguments by name, training.
#include <gmock/gmock.h>
#include <lamina/gradient_tape.h>

#include "tests/fakes/captured_warnings.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

class OwnCalls : public MaskScene {
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
  /// Rows of steps, with 0.5 throughout where they are masked.
  Tensor masked(const Tensor& seen, std::int64_t width) {
    Tensor x = normal({seen.shape()[0], seen.shape()[1], width});
    const auto elements = x.data<double>();
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (!seen.data<bool>()[i / static_cast<std::size_t>(width)]) elements[i] = 0.5;
    }
    return x;
  }
};

/// x and, where the mask is, a weight; x alone where there is no mask.
class Marked : public Layer {
 public:
  explicit Marked(bool passes_on = true) : Layer({"marked", {}, true}), passes_on_(passes_on) {}
  [[nodiscard]] std::string class_name() const override { return "Marked"; }
  [[nodiscard]] CallSignature call_signature() const override { return {.tensors = {"mask"}}; }
  [[nodiscard]] bool supports_masking() const override { return passes_on_; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x,
                                     const CallContext& context) override {
    const SymbolicTensor& mask = context.tensor("mask");
    EXPECT_EQ(mask.defined(), context.mask().defined());
    if (!mask.defined()) return x;
    EXPECT_EQ(mask.dtype(), DType::kBool);
    const SymbolicTensor steps = L::Reshape({.target_shape = {kSteps, 1}})(mask);
    return {L::Add()({x.at(0), L::Multiply()({steps, weight(mark_)})})};
  }
  [[nodiscard]] double mark() const { return at(mark_->value(), {0, 0, 0}); }
  static constexpr std::int64_t kSteps = 5;

 protected:
  void on_build(const std::vector<Shape>&) override {
    mark_ = add_weight({.shape = {1, 1, 1}, .name = "mark"});
  }

 private:
  bool passes_on_;
  VariablePtr mark_;
};

/// Each step in two halves, and each step's mask for both.
class Halves final : public Layer {
 public:
  explicit Halves(std::int64_t steps, std::int64_t width)
      : Layer(Base{}), steps_(steps), width_(width) {}
  [[nodiscard]] std::string class_name() const override { return "Halves"; }
  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
    return {L::Reshape({.target_shape = {2 * steps_, width_ / 2}})(x.at(0))};
  }
  [[nodiscard]] SymbolicTensors compute_mask(const SymbolicTensors& inputs,
                                             const SymbolicTensors& previous) override {
    EXPECT_EQ(inputs.at(0).shape()[1], steps_);
    if (!previous.at(0).defined()) return {};
    const SymbolicTensor one = L::Reshape({.target_shape = {steps_, 1}})(previous[0]);
    return {L::Reshape({.target_shape = {2 * steps_}})(L::Concatenate()({one, one}))};
  }

 private:
  std::int64_t steps_, width_;
};

/// x + other, or twice that.
class Blend final : public Layer {
 public:
  Blend() : Layer({"blend", {}, true}) { dense_ = track("dense", L::Dense({.units = 2})); }
  [[nodiscard]] std::string class_name() const override { return "Blend"; }
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"x"}, .tensors = {"other"}, .flags = {"twice"}};
  }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x,
                                     const CallContext& context) override {
    SymbolicTensor y = (*dense_)(x.at(0));
    const SymbolicTensor& other = context.tensor("other");
    if (other.defined()) y = L::Add()({y, other});
    return {context.flag("twice") ? L::Add()({y, y}) : y};
  }

 private:
  LayerPtr dense_;
};

/// Doubles in training what it gives otherwise.
class Louder final : public Layer {
 public:
  Louder() : Layer(Base{}) {}
  [[nodiscard]] std::string class_name() const override { return "Louder"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x,
                                     const CallContext& context) override {
    return {context.training() ? L::Add()({x.at(0), x[0]}) : x.at(0)};
  }
};

}  // namespace

TEST_F(OwnCalls, ReadTheMaskThatAnInputCarries) {
  const auto layer = std::make_shared<Marked>();
  const SymbolicTensor x = input({kNone, Marked::kSteps, 3});
  const SymbolicTensor y = (*layer)(L::Masking({.mask_value = 0.5})(x));
  const auto model = Functional::create({x}, {y, L::GlobalAveragePooling1D()(y)});
  randomize(*model);
  const Tensor seen = flags({4, Marked::kSteps}), data = masked(seen, 3);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{data});
  for (std::int64_t b = 0; b < 4; ++b) {
    for (std::int64_t f = 0; f < 3; ++f) {
      double sum = 0, count = 0;
      for (std::int64_t t = 0; t < Marked::kSteps; ++t) {
        const bool there = at(seen, {b, t}) != 0;
        const double wanted = there ? at(data, {b, t, f}) + layer->mark() : 0;  // Masking's
        EXPECT_NEAR(at(out[0], {b, t, f}), wanted, 1e-13);
        sum += there ? wanted : 0;
        count += there ? 1 : 0;
      }
      EXPECT_NEAR(at(out[1], {b, f}), sum / count, 1e-12) << "the mask is passed on";
    }
  }
}

TEST_F(OwnCalls, ReadAMaskThatIsGivenByName) {
  const auto layer = std::make_shared<Marked>();
  const SymbolicTensor x = input({kNone, Marked::kSteps, 2}),
                       mask = input({kNone, Marked::kSteps}, "bool");
  const auto model = Functional::create({x, mask}, {(*layer)(x, {{"mask", mask}}), (*layer)(x)});
  randomize(*model);
  const Tensor seen = flags({3, Marked::kSteps}), data = normal({3, Marked::kSteps, 2});
  const std::vector<Tensor> out = model->predict({data, seen});
  EXPECT_TRUE(bitwise_equal(out[1], data));
  for (std::int64_t t = 0; t < Marked::kSteps; ++t) {
    const double wanted = at(data, {2, t, 1}) + (at(seen, {2, t}) != 0 ? layer->mark() : 0);
    EXPECT_NEAR(at(out[0], {2, t, 1}), wanted, 1e-13);
  }
}

TEST_F(OwnCalls, EndMasksWithAWarningUnlessTheySupportThem) {
  const auto layer = std::make_shared<Marked>(false);
  const SymbolicTensor x = input({kNone, Marked::kSteps, 2});
  const SymbolicTensor y = (*layer)(L::Masking({.mask_value = 0.5})(x));
  const auto model = Functional::create({x}, {y, L::GlobalAveragePooling1D()(y)});
  const Tensor data = masked(flags({2, Marked::kSteps}), 2);
  const lamina::testing::CapturedWarnings warnings;
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{data});
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("Layer 'marked' (of type Marked) was passed an "
                                                  "input with a mask attached")));
  for (std::int64_t f = 0; f < 2; ++f) {
    double sum = 0;
    for (std::int64_t t = 0; t < Marked::kSteps; ++t) sum += at(out[0], {1, t, f});
    EXPECT_NEAR(at(out[1], {1, f}), sum / Marked::kSteps, 1e-13) << "of all steps";
  }
}

TEST_F(OwnCalls, MakeMasksOfTheirOwn) {
  constexpr std::int64_t kSteps = 4;
  const SymbolicTensor x = input({kNone, kSteps, 6});
  const auto halves = std::make_shared<Halves>(kSteps, 6);
  const auto masked_model = Functional::create(
      x, L::GlobalAveragePooling1D()((*halves)(L::Masking({.mask_value = 0.5})(x))));
  const auto plain = Functional::create(x, L::GlobalAveragePooling1D()((*halves)(x)));
  const Tensor seen = flags({3, kSteps}), data = masked(seen, 6);
  const lamina::testing::CapturedWarnings quiet;  // Reshape's, of masks
  const Tensor means = masked_model->predict(data), all = plain->predict(data);
  for (std::int64_t b = 0; b < 3; ++b) {
    for (std::int64_t f = 0; f < 3; ++f) {
      double sum = 0, count = 0, whole = 0;
      for (std::int64_t t = 0; t < kSteps; ++t) {
        const double both = at(data, {b, t, f}) + at(data, {b, t, f + 3});
        whole += both;
        if (at(seen, {b, t}) == 0) continue;
        sum += both;
        count += 2;
      }
      EXPECT_NEAR(at(means, {b, f}), sum / count, 1e-12);
      EXPECT_NEAR(at(all, {b, f}), whole / (2 * kSteps), 1e-12) << "without a mask";
    }
  }
}

TEST_F(OwnCalls, TakeArgumentsByName) {
  const auto layer = std::make_shared<Blend>();
  const SymbolicTensor x = input({kNone, 3}), z = input({kNone, 2});
  const auto model =
      Functional::create({x, z}, {(*layer)(x), (*layer)(x, {{"other", z}, {"twice", true}}),
                                  (*layer)(x, {{"other", SymbolicTensor()}, {"twice", false}})});
  EXPECT_EQ(model->variables().size(), 2U);
  randomize(*model);
  const Tensor a = normal({4, 3}), b = normal({4, 2});
  const std::vector<Tensor> out = model->predict({a, b});
  for (std::int64_t row = 0; row < 4; ++row) {
    for (std::int64_t f = 0; f < 2; ++f) {
      EXPECT_NEAR(at(out[1], {row, f}), 2 * (at(out[0], {row, f}) + at(b, {row, f})), 1e-13);
    }
  }
  EXPECT_TRUE(bitwise_equal(out[0], out[2]));
}

TEST_F(OwnCalls, RefuseArgumentsThatTheirSignatureLacks) {
  const auto layer = std::make_shared<Blend>();
  const SymbolicTensor x = input({kNone, 3});
  EXPECT_EQ(message([&] {
              (void)(*layer)(x, {{"another", x}});
            }),
            "Layer 'blend' (Blend): got an unexpected keyword argument 'another'.");
  EXPECT_EQ(message([&] {
              (void)(*layer)(x, {{"thrice", true}});
            }),
            "Layer 'blend' (Blend): got an unexpected keyword argument 'thrice'.");
  EXPECT_FALSE(layer->built());

  class Asking final : public Layer {
   public:
    Asking() : Layer({"asking", {}, true}) {}
    [[nodiscard]] std::string class_name() const override { return "Asking"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x,
                                       const CallContext& context) override {
      (void)context.tensor("mask");
      return x;
    }
  };
  EXPECT_EQ(message([&] { (void)(*std::make_shared<Asking>())(x); }),
            "Layer 'asking' (Asking): its `call_signature` has no tensor 'mask'.");
}

TEST_F(OwnCalls, HaveArgumentsWithinModelsThatAreCalledAgain) {
  const auto layer = std::make_shared<Blend>();
  const SymbolicTensor x = input({kNone, 3}), z = input({kNone, 2});
  const auto inner = Functional::create({x, z}, {(*layer)(x, {{"other", z}})});
  const SymbolicTensor a = input({6, 3}), b = input({6, 2});
  const auto outer = Functional::create({a, b}, {(*inner)({a, b})});
  EXPECT_EQ(outer->outputs()[0].shape(), (Shape{6, 2}));
  randomize(*outer);
  const Tensor left = normal({6, 3}), right = normal({6, 2});
  EXPECT_TRUE(bitwise_equal(outer->predict({left, right})[0], inner->predict({left, right})[0]));
}

TEST_F(OwnCalls, KnowWhetherTheyAreTrained) {
  const SymbolicTensor x = input({kNone, 3});
  const auto layer = std::make_shared<Louder>();
  const auto model = Functional::create(x, L::Dense({.units = 2, .use_bias = false})((*layer)(x)));
  randomize(*model);
  const Tensor data = normal({4, 3}), quiet = model->predict(data);
  GradientTape tape(*model);
  const Tensor loud = tape.forward({data})[0];
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(loud.data<double>()[i], 2 * quiet.data<double>()[i], 1e-13);
  }
}

TEST_F(OwnCalls, GiveTheDtypesThatTheyReturn) {
  const SymbolicTensor ids = input({kNone, 3}, "int32");
  const auto marked = std::make_shared<Louder>();
  EXPECT_EQ((*marked)(ids).dtype(), DType::kInt32);
  const auto model = Functional::create(ids, (*marked)(ids));
  const Tensor given = Tensor::from<std::int32_t>({5, 6, 7}, {1, 3});
  EXPECT_TRUE(bitwise_equal(model->predict(given), given));
}

TEST_F(OwnCalls, ThatReturnNothingAreNamed) {
  class Silent final : public Layer {
   public:
    explicit Silent(SymbolicTensors given) : Layer({"silent", {}, true}), given_(given) {}
    [[nodiscard]] std::string class_name() const override { return "Silent"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors&) override { return given_; }

   private:
    SymbolicTensors given_;
  };
  const auto apply = [&](const SymbolicTensors& given) {
    return message([&] { (void)(*std::make_shared<Silent>(given))(input({kNone, 2})); });
  };
  EXPECT_EQ(apply({}), "Layer 'silent' (Silent): Its `call` returned no tensor.");
  EXPECT_EQ(apply({SymbolicTensor()}),
            "Layer 'silent' (Silent): Its `call` returned an undefined tensor.");
}

TEST_F(OwnCalls, BuildSublayersThatTheirBuildLeavesOut) {
  class Both final : public Layer {
   public:
    Both() : Layer(Base{}) { dense_ = track("dense", L::Dense({.units = 2})); }
    [[nodiscard]] std::string class_name() const override { return "Both"; }
    [[nodiscard]] SymbolicTensors call(const SymbolicTensors& x) override {
      return {L::Add()({(*dense_)(x.at(0)), weight(shift_)})};
    }

   protected:
    void on_build(const std::vector<Shape>&) override { shift_ = add_weight({.shape = {1, 2}}); }

   private:
    LayerPtr dense_;
    VariablePtr shift_;
  };
  const auto layer = std::make_shared<Both>();
  layer->build({{kNone, 4}});
  EXPECT_TRUE(layer->sublayers().at(0)->built());
  EXPECT_EQ(layer->count_params(), 2 + 4 * 2 + 2);
}

TEST_F(OwnCalls, HaveNoConfigurationAndSaySo) {
  const SymbolicTensor x = input({kNone, 3});
  const auto model = Functional::create(x, (*std::make_shared<Blend>())(x));
  EXPECT_THAT(message<UnsupportedError>([&] { (void)model->to_json(); }), HasSubstr("Blend"));
  EXPECT_THAT(message<UnsupportedError>([&] { (void)models::clone_model(*model); }),
              HasSubstr("Blend"));
}
