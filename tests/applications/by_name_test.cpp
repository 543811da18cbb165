#include <gtest/gtest.h>
#include <lamina/applications.h>

#include <algorithm>
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
  std::ifstream file(std::string(LAMINA_TEST_DATA) + "/applications.txt");
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

TEST(Applications, EachHasKerasLayersShapesAndDatasets) {
  const std::vector<Expected> all = read_expected();
  ASSERT_EQ(all.size(), 2 * applications::names().size());
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

TEST(Applications, AreMadeByTheNamesThatAreListed) {
  for (const std::string_view name : applications::names()) {
    EXPECT_EQ(applications::by_name(name, {.name = "mine"})->name(), "mine") << name;
  }
  try {
    (void)applications::by_name("EfficientNetB9");
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find("EfficientNetV2B0, EfficientNetV2B1"),
              std::string::npos);
  }
}

// As an unexpected keyword is an error in Python.
TEST(Applications, RefuseWhatOnlyOthersTake) {
  try {
    (void)applications::EfficientNetV2B0({.alpha = 0.5});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(), "EfficientNetV2B0() got an unexpected keyword argument 'alpha'");
  }
  for (const std::string_view name : applications::names()) {
    const bool small = name.starts_with("MobileNet");
    const auto make = [&](applications::Options options) {
      return applications::by_name(name, std::move(options));
    };
    if (!small) {
      EXPECT_THROW((void)make({.alpha = 0.5}), ValueError) << name;
    }
    if (name != "MobileNet") {
      EXPECT_THROW((void)make({.depth_multiplier = 2}), ValueError) << name;
      EXPECT_THROW((void)make({.dropout = 0.1}), ValueError) << name;
    }
    if (!name.starts_with("MobileNetV3")) {
      EXPECT_THROW((void)make({.dropout_rate = 0.1}), ValueError) << name;
      EXPECT_THROW((void)make({.minimalistic = true}), ValueError) << name;
    }
  }
}

TEST(Applications, WithATopTakeImagesOfOneSize) {
  for (const std::string_view name : applications::names()) {
    const auto make = [&](Shape shape, bool top) {
      return applications::by_name(name, {.include_top = top, .input_shape = std::move(shape)});
    };
    if (!name.starts_with("MobileNetV3")) {  // which classifies images of any size
      EXPECT_THROW((void)make({kNone, 224, 3}, true), ValueError) << name;
    }
    EXPECT_THROW((void)make({8, 224, 3}, true), ValueError) << name;
    EXPECT_THROW((void)make({8, 224, 3}, false), ValueError) << name;
    EXPECT_THROW((void)make({224, 224}, false), ValueError) << name;
    EXPECT_EQ(make({kNone, kNone, 3}, false)->inputs()[0].shape(), (Shape{kNone, kNone, kNone, 3}))
        << name;
  }
}

}  // namespace
}  // namespace lamina
