#include "models/weights/keras_paths.h"

#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using Names = std::vector<std::string>;

Names groups(const Model& model) {
  Names out;
  for (const auto& entry : weights::save_order(models::name_weights(model).tree)) {
    out.push_back(entry.path);
  }
  return out;
}

LayerRef plain_dense(std::int64_t units = 2) {
  return layers::Dense({.units = units});
}

// A model whose layers are applied one after another, whatever the attributes' names.
class Chain : public SubclassedModel {
 public:
  [[nodiscard]] std::string class_name() const override { return "Chain"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override {
    SymbolicTensor x = inputs.at(0);
    for (const LayerPtr& layer : layers()) x = (*layer)(x);
    return {x};
  }
  Chain& with(const std::string& attribute, LayerPtr layer) {
    track(attribute, std::move(layer));
    return *this;
  }
  Chain& with(const std::string& attribute, AttributeList list) {
    track(attribute, std::move(list));
    return *this;
  }
};

// A plain layer with a public and a private sublayer.
class Block : public Layer {
 public:
  Block() : Layer(Base{}) {
    track("_h", plain_dense());
    track("d1", plain_dense());
  }
  [[nodiscard]] std::string class_name() const override { return "Block"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override {
    const auto part = [this](std::size_t i) { return std::get<LayerPtr>(attributes()[i].value); };
    return {(*part(1))((*part(0))(inputs.at(0)))};
  }
};

Attribute item(LayerPtr layer) {
  return {"", std::move(layer)};
}
Attribute item(AttributeList list) {
  return {"", std::make_shared<AttributeList>(std::move(list))};
}

TEST(KerasPaths, FunctionalStoresItsGraphUnderLayers) {
  const auto x = input(4, "x");
  const auto model = Functional::create(x, dense(3, "head")(x));
  EXPECT_EQ(groups(*model), (Names{"/vars", "/layers/input_layer/vars", "/layers/dense/vars"}));
}

TEST(KerasPaths, SequentialLeavesItsInputLayerOut) {
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{4}}), plain_dense()});
  EXPECT_EQ(groups(*model), (Names{"/vars", "/layers/dense/vars"}));
}

// As Keras's walk has them: LSTM shows its cell's activation, the cell alone the other one.
TEST(KerasPaths, ActivationsThatAreLayersStandUnderTheirAttributes) {
  using layers::ActivationFunction;
  const auto model = Sequential::create(
      {layers::InputLayer({.shape = Shape{5, 4}}),
       layers::LSTM({.units = 2,
                     .activation = ActivationFunction::leaky_relu(0.1),
                     .recurrent_activation = ActivationFunction::relu(0, 1)}),
       layers::Activation({.activation = ActivationFunction::elu(0.5)}),
       layers::Dense({.units = 2, .activation = "relu"}),
       layers::Dense({.units = 2, .activation = ActivationFunction::gelu(false)})});
  EXPECT_EQ(
      groups(*model),
      (Names{"/vars", "/layers/lstm/vars", "/layers/lstm/activation/vars", "/layers/lstm/cell/vars",
             "/layers/lstm/cell/recurrent_activation/vars", "/layers/activation/vars",
             "/layers/activation/activation/vars", "/layers/dense/vars", "/layers/dense_1/vars"}));
  const ModelPtr read = Model::from_json_text(model->to_json());
  EXPECT_EQ(groups(*read), groups(*model));
  EXPECT_EQ(read->to_json(), model->to_json());
  EXPECT_EQ(models::name_weights(*read).tree.nodes[2].name,
            models::name_weights(*model).tree.nodes[2].name);
}

TEST(KerasPaths, DeferredSequentialHasTheSameFile) {
  const auto model = Sequential::create({plain_dense(), plain_dense()});
  model->build({{kNone, 3}});
  EXPECT_EQ(groups(*model), (Names{"/vars", "/layers/dense/vars", "/layers/dense_1/vars"}));
}

TEST(KerasPaths, AttributesAreOrderedUppercaseLowercasePrivate) {
  EXPECT_TRUE(models::attribute_before("Z", "a"));
  EXPECT_TRUE(models::attribute_before("z", "_a"));
  EXPECT_TRUE(models::attribute_before("_Z", "_a"));
  EXPECT_FALSE(models::attribute_before("layers", "layers"));
}

TEST(KerasPaths, SubclassedModelReachesLateAttributesThroughLayers) {
  auto model = std::make_shared<Chain>();
  model->with("a", plain_dense()).with("Z", plain_dense());
  model->with("_p", plain_dense()).with("z", plain_dense());
  EXPECT_EQ(groups(*model),
            (Names{"/vars", "/Z/vars", "/a/vars", "/layers/dense_2/vars", "/layers/dense_3/vars"}));
}

TEST(KerasPaths, SubclassedModelCountsLayersInAssignmentOrder) {
  auto model = std::make_shared<Chain>();
  model->with("output_dense", plain_dense()).with("blocks", AttributeList{{item(plain_dense())}});
  EXPECT_EQ(groups(*model), (Names{"/vars", "/blocks/dense/vars", "/layers/dense/vars"}));
}

// As Keras does it: what was there before is still one of the model's layers.
TEST(KerasPaths, AnAttributeThatIsAssignedAgainHoldsTheLast) {
  const auto model = std::make_shared<Chain>();
  model->with("b", dense(2, "one")).with("a", dense(2, "two"));
  model->with("b", dense(2, "three")).with("z", dense(2, "four"));
  const weights::WeightTree tree = models::name_weights(*model).tree;
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& entry : weights::save_order(tree)) {
    found.emplace_back(entry.path, tree.nodes[entry.node].name);
  }
  EXPECT_EQ(found,
            (std::vector<std::pair<std::string, std::string>>{{"/vars", model->name()},
                                                              {"/a/vars", "two"},
                                                              {"/b/vars", "three"},
                                                              {"/layers/dense/vars", "one"},
                                                              {"/layers/dense_3/vars", "four"}}));
}

TEST(KerasPaths, PlainLayersStorePublicThenPrivate) {
  const auto x = input(2, "x");
  const auto model = Functional::create(x, LayerRef(std::make_shared<Block>())(x));
  EXPECT_EQ(groups(*model), (Names{"/vars", "/layers/input_layer/vars", "/layers/block/vars",
                                   "/layers/block/d1/vars", "/layers/block/_h/vars"}));
}

TEST(KerasPaths, ListsNameTheirElementsByClass) {
  auto model = std::make_shared<Chain>();
  const AttributeList inner{{item(plain_dense()), item(layers::ReLU())}};
  const AttributeList second{{item(plain_dense())}};
  model->with("blocks",
              AttributeList{{item(plain_dense()), item(inner), item(plain_dense()), item(second)}});
  EXPECT_EQ(groups(*model), (Names{"/vars", "/blocks/dense/vars", "/blocks/container/dense/vars",
                                   "/blocks/container/re_lu/vars", "/blocks/dense_1/vars",
                                   "/blocks/container_1/dense/vars"}));
}

TEST(KerasPaths, AVisitedElementUsesUpAName) {
  auto model = std::make_shared<Chain>();
  const LayerPtr shared = plain_dense();
  model->with("a", shared).with("blocks", AttributeList{{item(shared), item(plain_dense())}});
  EXPECT_EQ(groups(*model), (Names{"/vars", "/a/vars", "/blocks/dense_1/vars"}));
}

TEST(KerasPaths, AListThatHoldsItselfEnds) {
  auto model = std::make_shared<Chain>();
  model->with("blocks", AttributeList{{item(plain_dense())}});
  const auto list = std::get<std::shared_ptr<AttributeList>>(model->attributes()[0].value);
  list->items.push_back({"", list});
  EXPECT_EQ(groups(*model), (Names{"/vars", "/blocks/dense/vars"}));
  EXPECT_EQ(model->layers().size(), 1u);
  model->build({{kNone, 2}});
  EXPECT_EQ(model->count_params(), 6);
  list->items.pop_back();  // a cycle of shared pointers would not be freed
}

TEST(KerasPaths, NestedModelsStartTheirCountersAfresh) {
  const auto make = [] {
    const auto x = layers::Input({.shape = Shape{2}});
    return Functional::create(x, plain_dense()(x));
  };
  const auto x = layers::Input({.shape = Shape{2}});
  const auto stack = Sequential::create({layers::InputLayer({.shape = Shape{2}}), plain_dense()});
  SymbolicTensor y = LayerRef(make())(x);
  y = LayerRef(make())(y);
  y = LayerRef(stack)(y);
  auto chain = std::make_shared<Chain>();
  chain->with("z", plain_dense());
  y = LayerRef(chain)(y);
  const auto model = Functional::create(x, y);
  EXPECT_EQ(
      groups(*model),
      (Names{"/vars", "/layers/input_layer/vars", "/layers/functional/vars",
             "/layers/functional/layers/input_layer/vars", "/layers/functional/layers/dense/vars",
             "/layers/functional_1/vars", "/layers/functional_1/layers/input_layer/vars",
             "/layers/functional_1/layers/dense/vars", "/layers/sequential/vars",
             "/layers/sequential/layers/dense/vars", "/layers/chain/vars",
             "/layers/chain/layers/dense/vars"}));
}

TEST(KerasPaths, SharedLayersAreStoredOnceAndKeepTheirAliases) {
  auto model = std::make_shared<Chain>();
  const LayerPtr shared = plain_dense();
  model->with("zz", shared).with("aa", shared);
  const models::NamedWeights named = models::name_weights(*model);
  ASSERT_EQ(named.tree.nodes.size(), 2u);
  Names ways;
  for (const auto& edge : named.tree.nodes[0].edges) ways.push_back(edge.path);
  EXPECT_EQ(ways, (Names{"aa", "layers/dense", "zz"}));
}

// A model that is Functional and holds more under attributes, as subclasses of keras.Model do.
class WithExtra : public Functional {
 public:
  WithExtra(const SymbolicTensor& x, const SymbolicTensor& y, LayerPtr in_graph)
      : Functional({x}, {y}) {
    track("extra", plain_dense());
    track("alias", std::move(in_graph));
  }
  [[nodiscard]] std::string class_name() const override { return "WithExtra"; }
};

TEST(KerasPaths, FunctionalSubclassAddsItsAttributes) {
  const auto x = input(2, "x");
  const LayerRef head = plain_dense();
  const auto y = head(x);
  const auto model = std::make_shared<WithExtra>(x, y, head);
  EXPECT_EQ(groups(*model),
            (Names{"/vars", "/layers/input_layer/vars", "/layers/dense/vars", "/extra/vars"}));
}

TEST(KerasPaths, RootHasItsNameAndEveryNodeItsRepr) {
  clear_session();
  const auto x = input(2, "x");
  const auto model = Functional::create({x}, {dense(2, "head")(x)}, {.name = "mine"});
  const models::NamedWeights named = models::name_weights(*model);
  EXPECT_EQ(named.tree.nodes[0].name, "mine");
  const auto id = named.nodes.find(model->get_layer("head").get()).value();
  EXPECT_EQ(named.tree.nodes[id].repr(), "<Dense name=head, built=True>");
  ASSERT_EQ(named.tree.nodes[id].variables.size(), 2u);
  EXPECT_EQ(named.tree.nodes[id].variables[1].key, "1");
  EXPECT_EQ(named.tree.nodes[id].variables[1].variable->path(), "head/bias");
}

TEST(KerasPaths, UnbuiltLayersKeepAnEmptyGroup) {
  auto model = std::make_shared<Chain>();
  model->with("a", plain_dense());
  const models::NamedWeights named = models::name_weights(*model);
  EXPECT_FALSE(named.tree.nodes[1].built);
  EXPECT_TRUE(named.tree.nodes[1].variables.empty());
}

TEST(KerasPaths, ClassesWhoseNamesCollideAreRefused) {
  class Dense1 : public Block {
   public:
    [[nodiscard]] std::string class_name() const override { return "Dense_1"; }
  };
  auto model = std::make_shared<Chain>();
  model->with("blocks", AttributeList{{item(plain_dense()), item(std::make_shared<Dense1>()),
                                       item(plain_dense())}});
  EXPECT_THROW(groups(*model), ValueError);
}

TEST(KerasPaths, OfOptimizersAreKnown) {
  for (const char* path :
       {"/optimizer/vars", "/optimizer/inner_optimizer/vars", "/layers/functional/optimizer/vars",
        "/inner/optimizer/vars", "/layers/optimizer/optimizer/vars"}) {
    EXPECT_TRUE(models::is_of_optimizer(path)) << path;
  }
  for (const char* path : {"/vars", "/layers/dense/vars", "/layers/optimizer/vars",
                           "/layers/functional/layers/"
                           "optimizer/vars",
                           "/optimizers/vars", "/layers/optimizer_1/vars"}) {
    EXPECT_FALSE(models::is_of_optimizer(path)) << path;
  }
}

TEST(KerasPaths, NamesThatKerasPassesOverAreRefused) {
  for (const char* name : {"_layers", "variables", "_metrics", "layers", "dtype_policy"}) {
    auto model = std::make_shared<Chain>();
    model->with(name, plain_dense());
    try {
      (void)groups(*model);
      ADD_FAILURE() << name << " was accepted";
    } catch (const ValueError& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace lamina
