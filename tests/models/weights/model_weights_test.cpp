#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;

std::shared_ptr<Sequential> stack(std::int64_t width = 6) {
  return Sequential::create({layers::InputLayer({.shape = Shape{8, 8, 3}}),
                             layers::Conv2D({.filters = width, .kernel_size = 3}),
                             layers::BatchNormalization(), layers::ReLU(),
                             layers::GlobalAveragePooling2D(), layers::Dense({.units = 3})});
}

std::vector<Tensor> snapshot(const Model& model) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : model.variables()) out.push_back(variable->value().clone());
  return out;
}

void expect_equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(bitwise_equal(a[i], b[i])) << "variable " << i;
}

TEST(ModelWeights, SingleAndShardedGiveBitwiseEqualPredictions) {
  Random random;
  const testing::TemporaryDirectory folder;
  const auto saved = stack(), single = stack(), sharded = stack();
  random.fill(*saved);
  random.fill(*single);
  random.fill(*sharded);
  saved->save_weights(folder / "m.weights.h5");
  saved->save_weights(folder / "m.weights.json", {.max_shard_size = 700.0 / (1u << 30)});
  EXPECT_TRUE(std::filesystem::exists(folder / "m_00001.weights.h5"));
  single->load_weights(folder / "m.weights.h5");
  sharded->load_weights(folder / "m.weights.json");
  expect_equal(snapshot(*single), snapshot(*saved));
  expect_equal(snapshot(*sharded), snapshot(*saved));
  const Tensor data = random.tensor({3, 8, 8, 3});
  const Tensor a = saved->predict(data), b = single->predict(data), c = sharded->predict(data);
  EXPECT_TRUE(bitwise_equal(a, b));
  EXPECT_TRUE(bitwise_equal(a, c));
  EXPECT_FALSE(bitwise_equal(a, stack()->predict(data)));
}

TEST(ModelWeights, UnbuiltModelsAreRefusedInKerasWords) {
  const testing::TemporaryDirectory folder;
  const auto model = Sequential::create({layers::Dense({.units = 3})});
  try {
    model->save_weights(folder / "m.weights.h5");
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(
        error.what(),
        "You are saving a model that has not yet been built. Try building the model first by "
        "calling it on some data or by using `build()`.");
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "m.weights.h5"));
  try {
    model->load_weights(folder / "m.weights.h5");
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(
        error.what(),
        "You are loading weights into a model that has not yet been built. Try building the "
        "model first by calling it on some data or by using `build()`.");
  }
}

TEST(ModelWeights, AFailedLoadLeavesTheModelAsItWas) {
  Random random;
  const testing::TemporaryDirectory folder;
  const auto wide = stack(7), model = stack(6);
  random.fill(*wide);
  random.fill(*model);
  wide->save_weights(folder / "m.weights.h5");
  const std::vector<Tensor> before = snapshot(*model);
  const Tensor data = random.tensor({2, 8, 8, 3});
  const Tensor prediction = model->predict(data);
  EXPECT_THROW(model->load_weights(folder / "m.weights.h5"), MismatchError);
  expect_equal(snapshot(*model), before);
  EXPECT_TRUE(bitwise_equal(model->predict(data), prediction));
}

TEST(ModelWeights, MismatchesNameLayersAndShapes) {
  const testing::TemporaryDirectory folder;
  stack(7)->save_weights(folder / "m.weights.h5");
  try {
    stack(6)->load_weights(folder / "m.weights.h5");
    FAIL();
  } catch (const MismatchError& error) {
    const std::string text = error.what();
    for (const char* part :
         {"conv2d", "batch_normalization", "dense", "(3, 3, 3, 6)", "(3, 3, 3, 7)"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
  }
}

TEST(ModelWeights, SkippedObjectsKeepTheirValues) {
  Random random;
  const testing::TemporaryDirectory folder;
  const auto saved = stack(), loaded = stack();
  random.fill(*saved);
  random.fill(*loaded);
  saved->save_weights(folder / "m.weights.h5");
  const LayerPtr head = loaded->layers().back();
  const Tensor kernel = head->variables()[0]->value().clone();
  loaded->load_weights(folder / "m.weights.h5", {.objects_to_skip = {head}});
  EXPECT_TRUE(bitwise_equal(head->variables()[0]->value(), kernel));
  EXPECT_TRUE(bitwise_equal(loaded->layers()[0]->variables()[0]->value(),
                            saved->layers()[0]->variables()[0]->value()));
}

TEST(ModelWeights, ReleasedWeightsComeBackWithALoad) {
  Random random;
  const testing::TemporaryDirectory folder;
  const auto model = stack();
  random.fill(*model);
  model->save_weights(folder / "m.weights.h5");
  const Tensor data = random.tensor({2, 8, 8, 3});
  const Tensor expected = model->predict(data);
  const auto lean = stack();
  lean->load_weights(folder / "m.weights.h5");
  lean->compile_inference({{2, 8, 8, 3}}, {.release_weights = true});
  EXPECT_TRUE(bitwise_equal(lean->predict(data), expected));
  lean->load_weights(folder / "m.weights.h5");
  EXPECT_TRUE(bitwise_equal(lean->predict(data), expected));
}

TEST(ModelWeights, ReadsTheWeightsOfAnArchive) {
  const testing::CapturedWarnings warnings;
  const ModelPtr model = Model::from_json(data_path("cnn.json"));
  const ModelPtr filled = Model::from_json(data_path("cnn.json"));
  fill(*filled);
  model->load_weights(data_path("cnn.keras"));
  expect_equal(snapshot(*model), snapshot(*filled));
}

}  // namespace
}  // namespace lamina
