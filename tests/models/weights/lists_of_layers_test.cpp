#include "tests/fakes/temporary_directory.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;

/// A layer and, between two nulls of either kind, another one.
AttributeList with_nulls(const LayerPtr& layer) {
  return {{{"", LayerPtr()}, {"", layer}, {"", std::shared_ptr<AttributeList>()}}};
}

/// A plain layer, so that its own walk over the list is taken, not a model's.
class Block final : public Layer {
 public:
  explicit Block(std::int64_t units) : Layer(Base{}), dense_(layers::Dense({.units = units})) {
    track("parts", with_nulls(dense_));
  }
  [[nodiscard]] std::string class_name() const override { return "Block"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override { return dense_->apply(inputs); }

 private:
  LayerPtr dense_;
};

class Net final : public SubclassedModel {
 public:
  Net() : block_(std::make_shared<Block>(3)), head_(layers::Dense({.units = 2})) {
    track("block", block_);
    track("rest", with_nulls(head_));
  }
  [[nodiscard]] std::string class_name() const override { return "Net"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override {
    return head_->apply(block_->apply(inputs));
  }

 private:
  LayerPtr block_, head_;
};

std::shared_ptr<Net> built_net() {
  auto net = std::make_shared<Net>();
  net->build({Shape{kNone, 4}});
  return net;
}

TEST(ListsOfLayers, ANullInAListIsNoLayerAndHasNoVariables) {
  const auto net = built_net();
  EXPECT_EQ(net->layers().size(), 2u);
  EXPECT_EQ(net->layers()[0]->sublayers().size(), 1u);
  EXPECT_EQ(net->layers()[0]->variables().size(), 2u);
  EXPECT_EQ(net->variables().size(), 4u);
  EXPECT_EQ(net->count_params(), 4 * 3 + 3 + 3 * 2 + 2);
}

TEST(ListsOfLayers, ANullInAListIsPassedOverWhenTheModelIsFrozen) {
  const auto net = built_net();
  net->set_trainable(false);
  EXPECT_TRUE(net->trainable_variables().empty());
  EXPECT_FALSE(net->layers()[0]->sublayers()[0]->trainable());
  net->set_trainable(true);
  EXPECT_EQ(net->trainable_variables().size(), 4u);
}

TEST(ListsOfLayers, ANullInAListLeavesSavedWeightsAsTheyAre) {
  const testing::TemporaryDirectory folder;
  Random random;
  const auto saved = built_net();
  random.fill(*saved);
  saved->save_weights(folder / "a.weights.h5");
  const auto loaded = built_net();
  loaded->load_weights(folder / "a.weights.h5");
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(bitwise_equal(loaded->variables()[i]->value(), saved->variables()[i]->value()));
  }
}

}  // namespace
}  // namespace lamina
