#include "models/weights/kept_names.h"

#include <lamina/optimizers.h>
#include <lamina/training.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "models/weights/pending_saves.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;

/// Everything of a tree but its variables' values.
std::string text_of(const weights::WeightTree& tree) {
  std::string out;
  for (const auto& node : tree.nodes) {
    out += node.name + node.repr();
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

// Which the threads of its parent hold most of the time.
TEST(KeptNames, OfAChildWaitForNoThreadOfItsParent) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a sanitizer's own locks may be held when the child is forked";
#endif
  models::KeptNames names;
  models::PendingSaves saves;
  const auto model =
      Sequential::create({layers::InputLayer({.shape = Shape{4}}), layers::Dense({.units = 2})});
  const std::shared_ptr<const models::NamedWeights> kept = names.get(*model);
  const std::jthread busy([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      (void)names.get(*model);
      (void)saves.under_way();
    }
  });
  for (int i = 0; i < 30; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);
      const bool named = names.get(*model)->tree.nodes.size() == kept->tree.nodes.size();
      ::_exit(named && saves.under_way().empty() ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
}

TEST(KeptNames, AreMadeAgainForALayerOnTop) {
  models::KeptNames names;
  const auto model = Sequential::create({layers::InputLayer({.shape = Shape{4}})});
  const auto expect_kept = [&](std::size_t nodes) {
    const auto kept = names.get(*model);
    EXPECT_EQ(kept->tree.nodes.size(), nodes);
    EXPECT_EQ(text_of(kept->tree), text_of(models::name_weights(*model).tree));
    EXPECT_EQ(names.get(*model), kept);
  };
  expect_kept(1);
  const LayerRef dense = layers::Dense({.units = 4});
  model->add(dense);
  expect_kept(2);
  model->add(layers::Activation({.activation = "relu"}));
  expect_kept(3);
  model->add(layers::Dense({.units = 2}));
  expect_kept(4);
}

TEST(KeptNames, AreMadeAgainForANestedModelThatGrows) {
  models::KeptNames names;
  const auto inner = Sequential::create({layers::Dense({.units = 3})});
  Holder model;
  model.hold("inner", inner);
  const auto before = names.get(model);
  EXPECT_EQ(names.get(model), before);
  inner->add(layers::Dense({.units = 2}));
  const auto grown = names.get(model);
  EXPECT_EQ(grown->tree.nodes.size(), before->tree.nodes.size() + 1);
  inner->build({Shape{kNone, 4}});
  const auto built = names.get(model);
  EXPECT_EQ(text_of(built->tree), text_of(models::name_weights(model).tree));
  EXPECT_NE(text_of(built->tree), text_of(grown->tree));
  EXPECT_EQ(names.get(model), built);
}

TEST(KeptNames, AreMadeAgainForAnOptimizerAndWhenItIsBuilt) {
  models::KeptNames names;
  const auto model =
      Sequential::create({layers::InputLayer({.shape = Shape{4}}), layers::Dense({.units = 3})});
  std::string last;
  const auto expect_change = [&](const char* what) {
    const auto kept = names.get(*model);
    const std::string text = text_of(kept->tree);
    EXPECT_EQ(text, text_of(models::name_weights(*model).tree)) << what;
    EXPECT_NE(text, last) << what;
    EXPECT_EQ(names.get(*model), kept) << what;
    last = text;
  };
  expect_change("no optimizer");
  model->compile({.optimizer = "sgd", .loss = "mse"});
  expect_change("compiled");
  model->compile({.optimizer = "adam", .loss = "mse"});
  expect_change("compiled again");
  model->optimizer()->build(model->trainable_variables());
  expect_change("built");
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
  std::swap(model.list->items[0], model.list->items[1]);
  expect_change("two elements swapped");
  model.list->items[0] = {"", layers::Dense({.units = 5})};
  expect_change("another layer in the place of one");
  model.list->items[0] = {"", model.first};
  expect_change("a layer that is elsewhere, too");
  const auto inner = std::make_shared<AttributeList>();
  model.list->items.push_back({"", inner});
  (void)names.get(model);
  inner->items.push_back({"", layers::Dense({.units = 5})});
  expect_change("a list in it that grows");
  inner->items.pop_back();
  expect_change("and shrinks");
  model.list->items.push_back({"", model.list});
  (void)names.get(model);     // a list that holds itself ends
  model.list->items.clear();  // else it would keep itself alive
}

}  // namespace
}  // namespace lamina
