#include "checkpoint/load/legacy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <fstream>
#include <random>

#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"
#include "tests/h5/hdf5_image.h"

// What real Keras writes and reads is in tests/interop/test_legacy_h5.py; this is what it seldom
// does.
namespace lamina::checkpoint {
namespace {

using h5::test::Format;
using h5::test::Hdf5Image;
using lamina::testing::CapturedWarnings;
using lamina::testing::random_tensor;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Saved {
  std::string layer;
  std::vector<std::string> names;
  std::vector<Tensor> values;
};

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::ranges::equal(a.bytes(), b.bytes());
}

class LegacyFiles : public ::testing::Test {
 protected:
  Tensor values(const Shape& shape) { return random_tensor(random_, shape, DType::kFloat32); }

  /// A layer of as many weights of these shapes.
  LegacyLayer layer(const std::string& name, const std::vector<Shape>& shapes) {
    LegacyLayer out{name, {}};
    for (const Shape& shape : shapes) {
      const std::string weight = fmt::format("w{}", out.weights.size());
      out.weights.push_back(std::make_shared<Variable>(weight, values(shape)));
      out.weights.back()->set_path(name + "/" + weight);
    }
    return out;
  }
  /// What fits a layer.
  Saved saved(const LegacyLayer& layer) {
    Saved out{layer.name, {}, {}};
    for (const VariablePtr& weight : layer.weights) {
      out.names.push_back(layer.name + "/" + weight->name() + ":0");
      out.values.push_back(values(weight->shape()));
    }
    return out;
  }
  void write(Hdf5Image& image, const std::string& root, const Saved& layer, bool variable = false) {
    const std::string group = root + "/" + layer.layer;
    image.group(group);
    image.list_attribute(group, "weight_names", layer.names, variable);
    for (std::size_t i = 0; i < layer.values.size(); ++i) {
      const auto& dims = layer.values[i].shape().dims();
      image.dataset(group + "/" + layer.names[i], H5T_IEEE_F32LE, {dims.begin(), dims.end()},
                    layer.values[i].bytes().data());
    }
  }
  std::filesystem::path keep(Hdf5Image& image) {
    const std::vector<std::byte> bytes = image.bytes();
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path_;
  }
  /// All of it, as most tests have it.
  std::filesystem::path file_of(const std::vector<Saved>& layers) {
    Hdf5Image image;
    std::vector<std::string> names;
    for (const Saved& layer : layers) {
      names.push_back(layer.layer);
      write(image, "", layer);
    }
    image.list_attribute("/", "layer_names", names);
    return keep(image);
  }
  static void expect_loaded(const LegacyLayer& layer, const Saved& from) {
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      EXPECT_TRUE(equal(layer.weights[i]->value(), from.values[i])) << layer.name << " " << i;
    }
  }
  /// The message of a load that fails and leaves all values as they were.
  std::string refusal(const LegacyModel& model, const LegacyRequest& request = {}) {
    std::vector<Tensor> before;
    for (const LegacyLayer& layer : model.layers) {
      for (const VariablePtr& weight : layer.weights) before.push_back(weight->value());
    }
    std::string message = "loaded";
    try {
      load_legacy(model, path_, request);
    } catch (const Error& error) {
      message = error.what();
    }
    std::size_t i = 0;
    for (const LegacyLayer& layer : model.layers) {
      for (const VariablePtr& weight : layer.weights) {
        EXPECT_TRUE(equal(weight->value(), before[i++])) << layer.name;
      }
    }
    return message;
  }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_ / "m.h5";
  std::mt19937 random_{lamina::test::fresh_seed()};
};

TEST_F(LegacyFiles, AreReadInTheOrderOfLayersThatHaveWeights) {
  const LegacyModel model{{layer("input", {}), layer("dense", {{3, 4}, {4}}), layer("flatten", {}),
                           layer("bn", {{4}, {4}, {4}, {4}})},
                          {}};
  // Other names, and others without weights: it is the order that counts.
  Saved first = saved(layer("block1/conv", {{3, 4}, {4}})), second = saved(model.layers[3]);
  second.layer = "renamed";
  (void)file_of({first, {"dropout", {}, {}}, second});
  load_legacy(model, path_, {});
  expect_loaded(model.layers[1], first);
  expect_loaded(model.layers[3], second);
}

TEST_F(LegacyFiles, HaveListsOfAnyKindOfTextAndInParts) {
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    for (const bool variable : {false, true}) {
      for (const char* root : {"", "/model_weights"}) {
        SCOPED_TRACE(fmt::format("{} {} '{}'", static_cast<int>(format), variable, root));
        LegacyModel model;
        std::vector<Saved> all;
        Hdf5Image image(format);
        if (*root != '\0') image.group(root);
        std::vector<std::string> parts[3];
        for (std::size_t i = 0; i < 7; ++i) {
          model.layers.push_back(layer(fmt::format("layer_{}", i), {{static_cast<int>(i) + 1}}));
          all.push_back(saved(model.layers.back()));
          write(image, root, all.back(), variable);
          parts[i / 3].push_back(all.back().layer);
        }
        for (int part = 0; part < 3; ++part) {
          image.list_attribute(*root == '\0' ? "/" : root, fmt::format("layer_names{}", part),
                               parts[part], variable);
        }
        // Newer files keep many attributes elsewhere than in the header.
        for (int i = 0; i < 12; ++i) {
          image.attribute(*root == '\0' ? "/" : root, fmt::format("other_{}", i), "text");
        }
        (void)keep(image);
        load_legacy(model, path_, {});
        for (std::size_t i = 0; i < all.size(); ++i) expect_loaded(model.layers[i], all[i]);
      }
    }
  }
}

TEST_F(LegacyFiles, OfOtherCountsAreRefusedInKerasWords) {
  const LegacyModel model{{layer("a", {{2}}), layer("b", {{3}, {4}})}, {}};
  (void)file_of({saved(model.layers[0])});
  EXPECT_THAT(refusal(model),
              StartsWith("Layer count mismatch when loading weights from file. Model expected 2 "
                         "layers, found 1 saved layers. In '" +
                         path_.string()));
  (void)file_of({saved(model.layers[0]), saved(layer("other", {{3}}))});
  EXPECT_THAT(refusal(model),
              StartsWith("Weight count mismatch for layer #1 (named b in the current model, other "
                         "in the save file). Layer expects 2 weight(s). Received 1 saved "
                         "weight(s). In '"));
  Hdf5Image image;
  image.group("/layers/dense/vars");
  (void)keep(image);
  EXPECT_THAT(refusal(model), HasSubstr("found 0 saved layers. The file has no `layer_names`"));
}

TEST_F(LegacyFiles, OfOtherShapesAreRefusedWithAListOfAllOrSkipped) {
  const LegacyModel model{{layer("a", {{2}, {3, 1}}), layer("b", {{3}, {4}})}, {}};
  Saved a = saved(model.layers[0]), b = saved(model.layers[1]);
  a.values[1] = values({1, 3});
  b.values[0] = values({5});
  (void)file_of({a, b});
  const std::string message = refusal(model);
  EXPECT_THAT(message, StartsWith("Shape mismatch in layer #0 (named a)for weight a/w1. Weight "
                                  "expects shape (3, 1). Received saved weight with shape (1, 3)"));
  EXPECT_THAT(message, HasSubstr("All 2 that do not fit"));
  EXPECT_THAT(message, HasSubstr("\n- Shape mismatch in layer #1 (named b)for weight b/w0. Weight "
                                 "expects shape (3,). Received saved weight with shape (5,)"));
  const Tensor kept = model.layers[1].weights[0]->value();
  CapturedWarnings warnings;
  load_legacy(model, path_, {.skip_mismatch = true});
  EXPECT_THAT(warnings.all,
              ElementsAre(StartsWith("Skipping loading weights for layer #0 (named a)due to "
                                     "mismatch in shape for weight a/w1. Weight expects shape"),
                          HasSubstr("for weight b/w0")));
  EXPECT_TRUE(equal(model.layers[0].weights[0]->value(), a.values[0]));
  EXPECT_TRUE(equal(model.layers[1].weights[0]->value(), kept));
  EXPECT_TRUE(equal(model.layers[1].weights[1]->value(), b.values[1]));
}

TEST_F(LegacyFiles, OfOtherShapesAndCountsAreRefusedWithAListOfAll) {
  const LegacyModel model{{layer("a", {{2}}), layer("b", {{3}, {4}}), layer("c", {{1}, {1}})}, {}};
  Saved a = saved(model.layers[0]);
  a.values[0] = values({5});
  (void)file_of({a, saved(layer("b", {{3}})), saved(layer("c", {{1}}))});
  for (const bool by_name : {false, true}) {
    const std::string message = refusal(model, {.by_name = by_name});
    EXPECT_THAT(message, StartsWith("Shape mismatch in layer #0 (named a)for weight a/w0. Weight"));
    EXPECT_THAT(message, HasSubstr("All 3 that do not fit"));
    EXPECT_THAT(message, HasSubstr("\n- Weight count mismatch for layer #1 (named b"));
    EXPECT_THAT(message, HasSubstr("\n- Weight count mismatch for layer #2 (named c"));
  }
  // In order, counts have to agree.
  EXPECT_THAT(refusal(model, {.skip_mismatch = true}),
              StartsWith("Weight count mismatch for layer #1 (named b in the current model, b in"));
}

TEST_F(LegacyFiles, ByNameGiveTheLayersThatTheyName) {
  const LegacyModel model{{layer("mine", {{2}}), layer("b", {{3}}), layer("a", {{2}, {2}})}, {}};
  const Saved a = saved(model.layers[2]), b = saved(model.layers[1]);
  (void)file_of({a, {"flatten", {}, {}}, b, saved(layer("unknown", {{7}}))});
  const Tensor kept = model.layers[0].weights[0]->value();
  load_legacy(model, path_, {.by_name = true});
  expect_loaded(model.layers[1], b);
  expect_loaded(model.layers[2], a);
  EXPECT_TRUE(equal(model.layers[0].weights[0]->value(), kept));

  (void)file_of({saved(layer("b", {{3}, {1}}))});
  EXPECT_THAT(refusal(model, {.by_name = true}),
              StartsWith("Weight count mismatch for layer #0 (named b). Layer expects 1 weight(s). "
                         "Received 2 saved weight(s)"));
  CapturedWarnings warnings;
  load_legacy(model, path_, {.by_name = true, .skip_mismatch = true});
  EXPECT_THAT(warnings.all,
              ElementsAre(StartsWith("Skipping loading of weights for layer #0 (named b) due to "
                                     "mismatch in number of weights. Layer expects 1")));
}

TEST_F(LegacyFiles, HoldWhatIsTheModelsOwn) {
  LegacyModel model{{layer("a", {{2}})}, layer("top", {{5}, {1, 2}}).weights};
  const Saved a = saved(model.layers[0]);
  const Saved top = saved({"top_level_model_weights", model.own});
  Hdf5Image image;
  write(image, "", a);
  write(image, "", top);
  image.list_attribute("/", "layer_names", {"a"});
  (void)keep(image);
  load_legacy(model, path_, {});
  expect_loaded({"own", model.own}, top);
  model.own.pop_back();
  EXPECT_THAT(refusal(model),
              StartsWith("Weight count mismatch for top-level weights when loading weights from "
                         "file. Model expects 1 top-level weight(s). Received 2 saved"));
  EXPECT_THAT(refusal(model, {.by_name = true}),
              StartsWith("Weight count mismatch for top-level weights of model. Model expects 1"));
}

TEST_F(LegacyFiles, ThatAreDamagedOrHostileAreRefused) {
  const LegacyModel model{{layer("a", {{2}})}, {}};
  Saved listed = saved(model.layers[0]);
  listed.values.clear();  // listed, and not there
  (void)file_of({listed});
  EXPECT_THAT(refusal(model), HasSubstr("/a/a/w0:0: this dataset is listed, but not there"));
  {
    Hdf5Image image;
    image.list_attribute("/", "layer_names", {"gone", "a"});
    write(image, "", saved(model.layers[0]));
    (void)keep(image);
    EXPECT_THAT(refusal(model), HasSubstr("/gone: this layer is listed, but not there"));
    EXPECT_THAT(refusal(model, {.by_name = true}), HasSubstr("/gone: this layer is listed"));
  }
  {
    Hdf5Image image;
    image.attribute("/", "layer_names", "a");
    (void)keep(image);
    EXPECT_THAT(refusal(model), HasSubstr("m.h5: /: the attribute 'layer_names' is no list"));
  }
  {
    Hdf5Image image;
    image.group("/a");
    image.attribute("/a", "weight_names", "w");  // no list
    image.list_attribute("/", "layer_names", {"a"});
    (void)keep(image);
    EXPECT_THAT(refusal(model), HasSubstr("the attribute 'weight_names' is no list"));
  }
  {
    Hdf5Image image;
    h5::test::checked(
        H5Lcreate_external("elsewhere.h5", "/a", image.file(), "a", H5P_DEFAULT, H5P_DEFAULT));
    image.list_attribute("/", "layer_names", {"a"});
    (void)keep(image);
    EXPECT_THAT(refusal(model), HasSubstr("Not allowed: H5 file with ExternalLink"));
  }
  (void)file_of({saved(model.layers[0])});
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 3);
  EXPECT_THAT(refusal(model), HasSubstr("truncated file"));
}

}  // namespace
}  // namespace lamina::checkpoint
