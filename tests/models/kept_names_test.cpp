#include "models/kept_names.h"

#include "helpers.h"

namespace lamina {
namespace {

using namespace test;

/// Everything of a tree but its variables' values.
std::string text_of(const weights::WeightTree& tree) {
  std::string out;
  for (const auto& node : tree.nodes) {
    out += node.name + node.repr + (node.built ? "+" : "-");
    for (const auto& [key, variable] : node.variables) {
      out += key + std::to_string(reinterpret_cast<std::uintptr_t>(variable.get())) + ",";
    }
    for (const auto& edge : node.edges) out += edge.path + ">" + std::to_string(edge.target) + ";";
    out += "\n";
  }
  return out;
}

class Holder : public SubclassedModel {
 public:
  Holder() : list(std::make_shared<AttributeList>()) {
    first = track("first", layers::Dense({.units = 2}));
    track("blocks", AttributeList{{{"", list}}});
  }
  [[nodiscard]] std::string class_name() const override { return "Holder"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override { return first->apply(inputs); }
  void hold(const std::string& name, LayerPtr layer) { track(name, std::move(layer)); }

  std::shared_ptr<AttributeList> list;
  LayerPtr first;
};

TEST(KeptNames, AreKeptAsLongAsTheModelIsTheSame) {
  models::KeptNames names;
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{4}}),
                                         layers::Dense({.units = 3}), layers::Dense({.units = 2})});
  const auto first = names.get(*model);
  EXPECT_EQ(text_of(first->tree), text_of(models::name_weights(*model).tree));
  for (const VariablePtr& v : model->variables()) v->assign(Tensor::zeros(v->shape()));
  EXPECT_EQ(names.get(*model), first);
}

TEST(KeptNames, FollowEveryChange) {
  models::KeptNames names;
  Holder model;
  std::string last;
  const auto expect_change = [&](const char* what) {
    const std::string kept = text_of(names.get(model)->tree);
    EXPECT_EQ(kept, text_of(models::name_weights(model).tree)) << what;
    EXPECT_NE(kept, last) << what;
    last = kept;
  };
  expect_change("nothing yet");
  model.build({Shape{kNone, 4}});
  expect_change("built");
  const LayerPtr dense = layers::Dense({.units = 5});
  model.list->items.push_back({"", dense});
  expect_change("an element of a nested list");
  dense->build({Shape{kNone, 4}});
  expect_change("a sublayer built");
  model.hold("second", dense);
  expect_change("a second way to a layer");
  model.hold("third", dense);
  expect_change("another name for it");
  model.list->items.insert(model.list->items.begin(), {"", layers::Dense({.units = 5})});
  expect_change("another order");
  model.list->items.push_back({"", model.list});
  (void)names.get(model);     // a list that holds itself ends
  model.list->items.clear();  // else it would keep itself alive
}

}  // namespace
}  // namespace lamina
