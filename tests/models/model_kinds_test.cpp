#include "helpers.h"
#include "layers/access.h"

namespace lamina {
namespace {

using namespace test;
using Names = std::vector<std::string>;

template <class ErrorType, class Call>
std::string message(const Call& call) {
  try {
    call();
  } catch (const ErrorType& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

// keras.Model with two inputs, a nested list and a shared layer.
class Tower : public SubclassedModel {
 public:
  Tower() {
    first_ = track("first", dense(4, "first"));
    head_ = track("zz_head", dense(2, "head"));
    AttributeList list;
    for (const char* name : {"b0", "b1"}) {
      blocks_.push_back(dense(4, name));
      list.items.push_back({"", LayerPtr(blocks_.back())});
    }
    track("blocks", std::move(list));
  }
  [[nodiscard]] std::string class_name() const override { return "Tower"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override {
    SymbolicTensor x = (*first_)(inputs.at(0));
    for (const LayerRef& block : blocks_) x = layers::Add()({block(x), x});
    return {(*head_)(x), x};
  }

 private:
  LayerPtr first_, head_;
  std::vector<LayerRef> blocks_;
};

TEST(Sequential, BuildsAtOnceFromAnInputLayer) {
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), dense(2, "d")});
  EXPECT_TRUE(model->built());
  EXPECT_EQ(names_of(model->layers()), Names{"d"});
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 2}));
}

TEST(Sequential, BuildsAtOnceFromAPlaceholder) {
  const auto x = layers::Input({.shape = {3}, .batch_size = 4, .dtype = "float16", .name = "x"});
  const auto model = Sequential::create({x, dense(2, "d")});
  EXPECT_TRUE(model->built());
  EXPECT_EQ(names_of(model->layers()), Names{"d"});
  EXPECT_EQ(model->input().shape(), (Shape{4, 3}));
  EXPECT_EQ(model->input().dtype(), DType::kFloat16);
  EXPECT_EQ(layers::Access::node(model->input()), layers::Access::node(x));
  EXPECT_EQ(Functional::create(x, model->output())->count_params(), 3 * 2 + 2);
  const SymbolicTensor y = (*model)(x);
  EXPECT_EQ(y.shape(), (Shape{4, 2}));
  const std::string refusal =
      "Only instances of `keras.Layer` can be added to a Sequential model. Received: ";
  EXPECT_EQ(message<ValueError>([&] { model->add(y); }),
            refusal + "what layer '" + model->name() + "' gives.");
  EXPECT_EQ(message<ValueError>([&] { model->add(SymbolicTensor()); }),
            refusal + "an undefined tensor.");
  EXPECT_EQ(message<ValueError>([&] { model->add(LayerPtr()); }),
            "A layer was expected, and a null pointer given.");
}

TEST(Sequential, WaitsWithoutOne) {
  const auto model = Sequential::create({dense(2, "d"), dense(3, "e")});
  EXPECT_FALSE(model->built());
  EXPECT_TRUE(model->inputs().empty());
  EXPECT_THROW((void)model->count_params(), ValueError);
  EXPECT_NE(model->summary().find("0 (unbuilt)"), std::string::npos);
  const Tensor result = model->predict(Tensor::zeros({4, 5}));
  EXPECT_EQ(result.shape(), (Shape{4, 3}));
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 5}));
  EXPECT_EQ(model->count_params(), 5 * 2 + 2 + 2 * 3 + 3);
}

TEST(Sequential, TakesTheShapeOfAModelAtItsBottom) {
  const auto x = input(3, "x");
  const auto base = Functional::create(x, dense(2, "d")(x));
  const auto model = Sequential::create({LayerRef(base), dense(4, "e")});
  EXPECT_TRUE(model->built());
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 3}));
}

TEST(Sequential, GrowsAfterPrediction) {
  Random random;
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), dense(2, "d")});
  const Tensor data = random.tensor({2, 3});
  EXPECT_EQ(model->predict(data).shape(), (Shape{2, 2}));
  model->add(dense(5, "e"));
  EXPECT_EQ(model->predict(data).shape(), (Shape{2, 5}));
  EXPECT_EQ(names_of(model->layers()), (Names{"d", "e"}));
}

TEST(Sequential, RefusesALayerThatDoesNotFitAndStaysAsItWas) {
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), dense(2, "d")});
  EXPECT_THROW(model->add(layers::Conv2D({.filters = 2, .kernel_size = 3})), ValueError);
  EXPECT_EQ(model->layers().size(), 1u);
  EXPECT_EQ(model->predict(Tensor::zeros({1, 3})).shape(), (Shape{1, 2}));
  // Its name is free again.
  EXPECT_THROW(model->add(layers::Conv2D({.filters = 2, .kernel_size = 3, .name = "e"})),
               ValueError);
  model->add(dense(4, "e"));
  EXPECT_EQ(names_of(model->layers()), (Names{"d", "e"}));
}

TEST(Sequential, RefusesALayerThatDoesNotFitBeforeItIsBuilt) {
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}})});
  EXPECT_THROW(model->add(layers::Conv2D({.filters = 2, .kernel_size = 3, .name = "e"})),
               ValueError);
  EXPECT_TRUE(model->layers().empty());
  model->add(dense(4, "e"));
  EXPECT_EQ(model->predict(Tensor::zeros({1, 3})).shape(), (Shape{1, 4}));

  const auto x = input(3, "x");
  const auto based = Sequential::create({LayerRef(Functional::create(x, dense(2, "d")(x)))});
  EXPECT_FALSE(based->built());
  EXPECT_THROW(based->add(layers::Conv2D({.filters = 2, .kernel_size = 3, .name = "f"})),
               ValueError);
  EXPECT_EQ(based->layers().size(), 1u);
  based->add(dense(5, "f"));
  EXPECT_EQ(based->output().shape(), (Shape{kNone, 5}));
}

TEST(Sequential, TakesALayerTwice) {
  const LayerPtr shared = dense(3, "d");
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), shared, shared});
  EXPECT_THROW(model->add(dense(3, "d")), ValueError);
  EXPECT_EQ(names_of(model->layers()), (Names{"d", "d"}));
}

TEST(Sequential, GivesItsLastLayerBack) {
  Random random;
  const LayerPtr d = dense(2, "d"), e = dense(4, "e");
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), d, e});
  random.fill(*model);
  const Tensor data = random.tensor({5, 3});
  (void)model->predict(data);
  const std::vector<Tensor> values = e->get_weights();
  EXPECT_EQ(model->pop(), e);
  EXPECT_EQ(names_of(model->layers()), Names{"d"});
  EXPECT_EQ(model->output().shape(), (Shape{kNone, 2}));
  EXPECT_EQ(model->count_params(), 3 * 2 + 2);
  EXPECT_EQ(model->summary().find("e (Dense)"), std::string::npos);
  const auto below = Sequential::create({layers::InputLayer({.shape = Shape{3}}), d});
  EXPECT_TRUE(bitwise_equal(model->predict(data), below->predict(data)));
  EXPECT_TRUE(bitwise_equal(e->get_weights()[0], values[0]));
  // Its name is free again.
  const LayerPtr other = dense(6, "e");
  model->add(other);
  const auto whole = Sequential::create({layers::InputLayer({.shape = Shape{3}}), d, other});
  EXPECT_TRUE(bitwise_equal(model->predict(data), whole->predict(data)));
}

TEST(Sequential, GivesBackAllLayersButItsInput) {
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), dense(2, "d")});
  EXPECT_EQ(model->pop()->name(), "d");
  EXPECT_FALSE(model->built());
  EXPECT_TRUE(model->outputs().empty());
  EXPECT_THROW((void)model->count_params(), ValueError);
  EXPECT_NE(message<ValueError>([&] { model->pop(); }).find("has no layer to pop"),
            std::string::npos);
  model->add(dense(7, "e"));
  EXPECT_EQ(model->input().shape(), (Shape{kNone, 3}));
  EXPECT_EQ(model->output().shape(), (Shape{kNone, 7}));
}

TEST(Sequential, GivesLayersBackBeforeItIsBuilt) {
  const auto model = Sequential::create({dense(2, "d"), dense(4, "e")});
  EXPECT_EQ(model->pop()->name(), "e");
  EXPECT_EQ(model->predict(Tensor::zeros({4, 5})).shape(), (Shape{4, 2}));
  // What its data gave it stays, as in Keras.
  EXPECT_EQ(model->pop()->name(), "d");
  model->add(dense(3, "e"));
  EXPECT_EQ(model->input().shape(), (Shape{kNone, 5}));
}

TEST(Sequential, GivesBackOneOfTwoCallsOfALayer) {
  const LayerPtr shared = dense(3, "d");
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{3}}), shared, shared});
  EXPECT_EQ(model->pop(), shared);
  EXPECT_EQ(names_of(model->layers()), Names{"d"});
  EXPECT_THROW(model->add(dense(3, "d")), ValueError);
}

TEST(Sequential, RefusesTwoLayersOfOneName) {
  const std::string text = message<ValueError>([] {
    Sequential::create({dense(2, "d"), dense(3, "d")});
  });
  EXPECT_NE(text.find("Name 'd' is already the name of a layer in this model"), std::string::npos);
}

TEST(Sequential, EmptyOnesCannotBeBuilt) {
  const auto model = Sequential::create();
  EXPECT_NE(message<ValueError>([&] {
              model->build({{kNone, 2}});
            }).find("has no layers"),
            std::string::npos);
}

TEST(Functional, ChecksTheShapesOfACall) {
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  const auto wrong = input(4, "wrong");
  EXPECT_NE(
      message<ValueError>([&] { (*model)(wrong); }).find("For input 'x', expected shape (None, 3)"),
      std::string::npos);
}

TEST(Functional, InfersOtherShapesThanItsOwn) {
  const auto x = layers::Input({.shape = Shape{kNone, kNone, 1}});
  const auto model = Functional::create(
      x, layers::Conv2D({.filters = 2, .kernel_size = 3, .strides = 2, .padding = "same"})(x));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, kNone, kNone, 2}));
  EXPECT_EQ(model->compute_output_shape({{4, 9, 6, 1}})[0], (Shape{4, 5, 3, 2}));
}

TEST(Functional, AutomaticNamesCount) {
  clear_session();
  const auto make = [] {
    const auto x = layers::Input({.shape = Shape{2}});
    return Functional::create(x, layers::Dense({.units = 2})(x));
  };
  EXPECT_EQ(make()->name(), "functional");
  const auto second = make();
  EXPECT_EQ(second->name(), "functional_1");
  EXPECT_EQ(names_of(second->layers()), (Names{"input_layer_1", "dense_1"}));
  // Keras's Sequential makes a Functional inside, which counts.
  (void)Sequential::create({layers::InputLayer({.shape = Shape{3}}), dense(2, "d")});
  EXPECT_EQ(make()->name(), "functional_3");
}

TEST(Functional, TrainableReachesTheLayers) {
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  EXPECT_NE(model->summary().find("Non-trainable params: 0 (0.00 B)"), std::string::npos);
  model->set_trainable(false);
  EXPECT_FALSE(model->get_layer("d")->trainable());
  EXPECT_NE(model->summary().find("Non-trainable params: 8 (32.00 B)"), std::string::npos);
}

TEST(Functional, UnknownLayersAreNamed) {
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  EXPECT_EQ(message<ValueError>([&] { (void)model->get_layer("e"); }),
            "No such layer: e. Existing layers are: ['x', 'd'].");
}

TEST(Functional, LayersAreFoundByTheirPlace) {
  const auto x = input(3, "x");
  const auto model = Functional::create(x, dense(2, "d")(x));
  EXPECT_EQ(model->get_layer(0)->name(), "x");
  EXPECT_EQ(model->get_layer(1)->name(), "d");
  EXPECT_EQ(model->get_layer(-1)->name(), "d");
  EXPECT_EQ(model->get_layer(-2)->name(), "x");
  for (const int index : {2, -3}) {
    EXPECT_EQ(message<ValueError>([&] { (void)model->get_layer(index); }),
              "Was asked to retrieve layer at index " + std::to_string(index) +
                  " but model only has 2 layers.");
  }
}

TEST(Functional, IsMadeOfTheInsidesOfAnother) {
  Random random;
  const LayerPtr first = dense(4, "first"), second = dense(2, "second"), third = dense(3, "third");
  ModelPtr model =
      Sequential::create({layers::InputLayer({.shape = Shape{3}}), first, second, third});
  random.fill(*model);
  const Tensor data = random.tensor({5, 3});
  {
    const auto features = Functional::create(model->input(), second->output());
    const auto same = Sequential::create({layers::InputLayer({.shape = Shape{3}}), first, second});
    EXPECT_TRUE(bitwise_equal(features->predict(data), same->predict(data)));
  }

  // From the middle on, of a model that goes.
  const auto rest = Functional::create(first->output(), model->output());
  const Tensor hidden = Functional::create(model->input(), first->output())->predict(data);
  const Tensor wanted = model->predict(data);
  model = nullptr;
  EXPECT_TRUE(bitwise_equal(rest->predict(hidden), wanted));
  EXPECT_EQ(Functional::create(rest->input(), second->output())->predict(hidden).shape(),
            (Shape{5, 2}));
}

TEST(Subclassed, GivesItsWeightsToAnother) {
  Random random;
  const auto one = std::make_shared<Tower>(), other = std::make_shared<Tower>();
  for (const auto& model : {one, other}) model->build({{kNone, 5}});
  random.fill(*one);
  Names paths;
  for (const VariablePtr& variable : one->weights()) paths.push_back(variable->path());
  EXPECT_EQ(paths, (Names{"first/kernel", "first/bias", "head/kernel", "head/bias", "b0/kernel",
                          "b0/bias", "b1/kernel", "b1/bias"}));
  const Tensor data = random.tensor({6, 5});
  (void)other->predict(std::vector<Tensor>{data});  // what is packed by then is packed anew
  other->set_weights(one->get_weights());
  EXPECT_TRUE(bitwise_equal(one->predict(std::vector<Tensor>{data})[0],
                            other->predict(std::vector<Tensor>{data})[0]));
}

TEST(Subclassed, LayersComeInAssignmentOrder) {
  EXPECT_EQ(names_of(std::make_shared<Tower>()->layers()), (Names{"first", "head", "b0", "b1"}));
}

TEST(Subclassed, IsBuiltByItsFirstData) {
  Random random;
  const auto model = std::make_shared<Tower>();
  EXPECT_FALSE(model->built());
  const auto outputs = model->predict(std::vector<Tensor>{random.tensor({3, 5})});
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].shape(), (Shape{3, 2}));
  EXPECT_EQ(outputs[1].shape(), (Shape{3, 4}));
  EXPECT_EQ(model->count_params(), 5 * 4 + 4 + 2 * (4 * 4 + 4) + 4 * 2 + 2);
  EXPECT_NE(model->summary().find("│ b1 (Dense)                      │ (None, 4)"),
            std::string::npos)
      << model->summary();
}

TEST(Subclassed, ComputesAsItsGraph) {
  Random random;
  const auto model = std::make_shared<Tower>();
  model->build({{kNone, 5}});
  random.fill(*model);
  const auto x = input(5, "x");
  const auto same = Functional::create({x}, model->apply({x}));
  const Tensor data = random.tensor({6, 5});
  const auto a = model->predict(std::vector<Tensor>{data}),
             b = same->predict(std::vector<Tensor>{data});
  EXPECT_TRUE(bitwise_equal(a[0], b[0]));
  EXPECT_TRUE(bitwise_equal(a[1], b[1]));
}

TEST(Subclassed, IntegersReachAnEmbedding) {
  class Lookup : public SubclassedModel {
   public:
    Lookup() { table_ = track("table", layers::Embedding({.input_dim = 5, .output_dim = 2})); }
    [[nodiscard]] std::string class_name() const override { return "Lookup"; }
    SymbolicTensors call(const SymbolicTensors& inputs) override {
      return {(*table_)(inputs.at(0))};
    }

   private:
    LayerPtr table_;
  };
  const auto model = std::make_shared<Lookup>();
  const auto ids = Tensor::from<std::int32_t>({4, 0}, {1, 2});
  (void)model->predict(ids);
  model->variables()[0]->assign(Tensor::from<float>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {5, 2}));
  const Tensor rows = model->predict(ids);
  EXPECT_TRUE(bitwise_equal(rows, Tensor::from<float>({8, 9, 0, 1}, {1, 2, 2})));
}

// Keras would not save what stands under this name; only a save has to say so.
TEST(Functional, OfALayerThatCannotBeSavedComputes) {
  class Reserved : public Layer {
   public:
    Reserved() : Layer(Base{}) { inner_ = track("losses", layers::Dense({.units = 2})); }
    [[nodiscard]] std::string class_name() const override { return "Reserved"; }
    SymbolicTensors call(const SymbolicTensors& inputs) override {
      return {(*inner_)(inputs.at(0))};
    }

   private:
    LayerPtr inner_;
  };
  const auto model =
      Sequential::create({layers::InputLayer({.shape = Shape{3}}), std::make_shared<Reserved>()});
  EXPECT_EQ(model->predict(Tensor::zeros({4, 3})).shape(), (Shape{4, 2}));
  EXPECT_NE(message<ValueError>([&] {
              model->save_weights("never.weights.h5");
            }).find("'losses' belongs to Keras"),
            std::string::npos);
}

}  // namespace
}  // namespace lamina
