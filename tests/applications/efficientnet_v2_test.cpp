#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "models/graph_order.h"
#include "models/weights/keras_paths.h"

namespace lamina {
namespace {

std::string fnv1a(const std::string& text) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(value));
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

// "stem_conv Conv2D (None, 112, 112, 32) kernel(3, 3, 3, 32)", as data/make_data.py writes Keras's.
std::vector<std::string> layer_lines(const Functional& model) {
  std::unordered_map<const Layer*, Shape> shapes;
  for (const auto& node : models::topological_order(model.inputs(), model.outputs())) {
    shapes[node->layer.get()] = node->output_shapes.at(0);
  }
  std::vector<std::string> lines;
  for (const LayerPtr& layer : model.layers()) {
    std::string variables;
    for (const VariablePtr& variable : layer->own_variables()) {
      variables += (variables.empty() ? "" : " ") + variable->name() + variable->shape().str();
    }
    lines.push_back(layer->name() + " " + layer->class_name() + " " + shapes.at(layer.get()).str() +
                    " " + variables);
  }
  return lines;
}

// "/layers/conv2d/vars/0 (3, 3, 3, 32)", sorted.
std::vector<std::string> dataset_lines(const Functional& model) {
  const weights::WeightTree tree = models::name_weights(model).tree;
  std::vector<std::string> lines;
  for (const auto& entry : weights::save_order(tree)) {
    for (const auto& [key, variable] : tree.nodes[entry.node].variables) {
      lines.push_back(entry.path + "/" + key + " " + variable->shape().str());
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

struct Expected {
  std::string name;
  bool top = true;
  std::size_t layers = 0, variables = 0;
  std::int64_t parameters = 0;
  std::string layer_hash, dataset_hash;
};

std::vector<Expected> read_expected() {
  std::ifstream file(std::string(LAMINA_TEST_DATA) + "/efficientnet_v2.txt");
  std::vector<Expected> out;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream text(line);
    Expected row;
    text >> row.name >> row.top >> row.layers >> row.variables >> row.parameters >>
        row.layer_hash >> row.dataset_hash;
    out.push_back(row);
  }
  return out;
}

TEST(EfficientNetV2, EveryVariantHasKerasLayersShapesAndDatasets) {
  const std::vector<Expected> all = read_expected();
  ASSERT_EQ(all.size(), 14u);
  for (const Expected& expected : all) {
    SCOPED_TRACE(expected.name + (expected.top ? "" : " without top"));
    clear_session();
    const auto model = applications::by_name(
        expected.name, {.include_top = expected.top, .pooling = expected.top ? "" : "avg"});
    const std::vector<std::string> layers = layer_lines(*model), datasets = dataset_lines(*model);
    EXPECT_EQ(layers.size(), expected.layers);
    EXPECT_EQ(datasets.size(), expected.variables);
    EXPECT_EQ(model->count_params(), expected.parameters);
    EXPECT_EQ(fnv1a(joined(layers)), expected.layer_hash) << joined(layers).substr(0, 1500);
    EXPECT_EQ(fnv1a(joined(datasets)), expected.dataset_hash) << joined(datasets).substr(0, 1500);
  }
}

TEST(EfficientNetV2, BuildingComputesNoValues) {
  const auto start = std::chrono::steady_clock::now();
  const auto model = applications::EfficientNetV2L();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const VariablePtr& variable : model->variables()) ASSERT_FALSE(variable->materialized());
  EXPECT_LT(seconds.count(), 2.0);  // 0.05 s on the machine it was written on; sanitizers are slow
}

TEST(EfficientNetV2, TakesKerasArguments) {
  const auto model = applications::EfficientNetV2B0({.input_shape = Shape{64, 48, 1},
                                                     .classes = 7,
                                                     .classifier_activation = "linear",
                                                     .include_preprocessing = false,
                                                     .name = "small"});
  EXPECT_EQ(model->name(), "small");
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 64, 48, 1}));
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{kNone, 7}));
  EXPECT_EQ(model->layers()[1]->name(), "stem_conv");
  EXPECT_THROW((void)model->get_layer("rescaling"), ValueError);
}

TEST(EfficientNetV2, PoolsWithoutATop) {
  const auto features = [](const char* pooling) {
    return applications::EfficientNetV2B0({.include_top = false, .pooling = pooling})
        ->outputs()[0]
        .shape();
  };
  EXPECT_EQ(features(""), (Shape{kNone, kNone, kNone, 1280}));
  EXPECT_EQ(features("avg"), (Shape{kNone, 1280}));
  EXPECT_EQ(features("max"), (Shape{kNone, 1280}));
  EXPECT_THROW(features("sum"), ValueError);
}

TEST(EfficientNetV2, ImagesWithOtherThanThreeChannelsAreScaledOnly) {
  const auto names = [](std::int64_t channels) {
    clear_session();
    std::string out;
    const auto model = applications::EfficientNetV2B0({.input_shape = Shape{32, 32, channels}});
    for (int i = 0; i < 3; ++i) out += model->layers()[static_cast<std::size_t>(i)]->name() + " ";
    return out;
  };
  EXPECT_EQ(names(3), "input_layer rescaling normalization ");
  EXPECT_EQ(names(1), "input_layer rescaling stem_conv ");
}

TEST(EfficientNetV2, RefusesShapesAndNamesThatDoNotFit) {
  const auto with = [](Shape shape) {
    return applications::EfficientNetV2B0({.input_shape = shape});
  };
  EXPECT_THROW(with({16, 64, 3}), ValueError);
  EXPECT_THROW(with({64, 64}), ValueError);
  EXPECT_THROW(with({64, 64, kNone}), ValueError);
  EXPECT_THROW(applications::EfficientNetV2B0({.classes = 0}), ValueError);
  try {
    (void)applications::by_name("EfficientNetB0");
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find("EfficientNetV2B0, EfficientNetV2B1"),
              std::string::npos);
  }
}

TEST(EfficientNetV2, PredictsProbabilitiesThatAddUpToOne) {
  set_random_seed(7);
  const auto model =
      applications::EfficientNetV2B0({.input_shape = Shape{64, 64, 3}, .classes = 5});
  std::vector<float> pixels(2 * 64 * 64 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 37 % 256);
  const Tensor result = model->predict(Tensor::from(pixels, {2, 64, 64, 3}));
  ASSERT_EQ(result.shape(), (Shape{2, 5}));
  for (std::size_t row = 0; row < 2; ++row) {
    float sum = 0;
    for (std::size_t i = 0; i < 5; ++i) sum += result.data<float>()[row * 5 + i];
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

}  // namespace
}  // namespace lamina
