#include <gmock/gmock.h>

#include <regex>

#include "storage/storage.h"
#include "storage/zip_member.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ModelPtr small_model(std::int64_t units = 5) {
  auto x = layers::Input({.shape = {8, 8, 3}, .name = "image"});
  auto y = layers::Conv2D({.filters = 4, .kernel_size = 3, .strides = 2, .padding = "same"})(x);
  y = layers::BatchNormalization()(y);
  y = layers::Add()({y, layers::ReLU()(y)});
  y = layers::GlobalAveragePooling2D()(y);
  return Functional::create(x, layers::Dense({.units = units, .activation = "softmax"})(y));
}

std::string member(const std::filesystem::path& archive, const std::string& name) {
  const storage::ZipMember found = storage::open_member(storage::posix().open(archive), name);
  std::string text(found.size, '\0');
  found.file->read_at(found.base, std::as_writable_bytes(std::span(text)));
  return text;
}

/// What a save throws.
template <class E>
std::string refusal(const Model& model, const std::filesystem::path& path,
                    const SaveModelOptions& options = {}) {
  try {
    model.save(path, options);
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "was saved";
  return {};
}

class SaveModel : public ::testing::Test {
 protected:
  Random random_;
  testing::TemporaryDirectory folder_;
  std::filesystem::path path_ = folder_ / "m.keras";
};

TEST_F(SaveModel, GivesAModelThatPredictsTheSameBits) {
  const ModelPtr model = small_model();
  random_.fill(*model);
  std::uint64_t done = 0, total = 0;
  model->save(path_, {.progress = [&](std::uint64_t d, std::uint64_t t) { done = d, total = t; }});
  EXPECT_GT(done, 0u);
  EXPECT_EQ(done, total);
  done = total = 0;
  const ModelPtr loaded = Model::load(
      path_, {.progress = [&](std::uint64_t d, std::uint64_t t) { done = d, total = t; }});
  EXPECT_GT(done, 0u);
  EXPECT_EQ(done, total);
  EXPECT_EQ(loaded->class_name(), "Functional");
  EXPECT_EQ(loaded->summary(), model->summary());
  const Tensor data = random_.tensor({3, 8, 8, 3});
  EXPECT_TRUE(bitwise_equal(loaded->predict(data), model->predict(data)));
  EXPECT_EQ(storage::posix().list(folder_.path()), std::vector<std::string>{"m.keras"});
}

TEST_F(SaveModel, ReplacesAnArchiveWhole) {
  const ModelPtr first = small_model(), second = small_model(7);
  random_.fill(*first);
  random_.fill(*second);
  first->save(path_);
  second->save(path_);
  EXPECT_EQ(Model::load(path_)->summary(), second->summary());
  EXPECT_THAT(refusal<ValueError>(*first, path_, {.overwrite = false}), HasSubstr("m.keras"));
  const Tensor data = random_.tensor({1, 8, 8, 3});
  EXPECT_TRUE(bitwise_equal(Model::load(path_)->predict(data), second->predict(data)));
}

TEST_F(SaveModel, WritesKerasMetadata) {
  small_model()->save(path_);
  EXPECT_TRUE(std::regex_match(
      member(path_, "metadata.json"),
      std::regex(
          R"(\{"date_saved":"\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d","keras_version":"3\.\d+\.\d+"\})")));
}

TEST_F(SaveModel, RefusesOtherNamesInKerasWords) {
  for (const char* name : {"m.weights.h5", "m.h5", "m", "m.keras.zip"}) {
    EXPECT_THAT(refusal<ValueError>(*small_model(), folder_ / name),
                StartsWith("Invalid filepath extension for saving. Please add either a `.keras` "
                           "extension for the native Keras format (recommended) or a `.h5` "
                           "extension."));
  }
  EXPECT_TRUE(storage::posix().list(folder_.path()).empty());
}

TEST_F(SaveModel, WritesNamesThatAreNotAscii) {
  const auto model =
      Sequential::create({layers::InputLayer({.shape = {1}}), dense(1, "\u00fcber")});
  model->save(path_);
  EXPECT_THAT(member(path_, "config.json"), HasSubstr(R"("\u00fcber")"));
  EXPECT_EQ(names_of(Model::load(path_)->layers()), names_of(model->layers()));
  const auto broken = Sequential::create({layers::InputLayer({.shape = {1}}), dense(1, "\xff")},
                                         {.name = "broken"});
  EXPECT_THAT(refusal<ValueError>(*broken, folder_ / "broken.keras"),
              StartsWith("Model 'broken' cannot be written to JSON"));
  EXPECT_EQ(storage::posix().list(folder_.path()), std::vector<std::string>{"m.keras"});
}

TEST_F(SaveModel, IsVerifiedWhenItIsLoaded) {
  const ModelPtr model = small_model();
  random_.fill(*model);
  model->save(path_);
  const std::string whole = testing::text_of(path_);
  const Tensor& kernel = model->variables()[0]->value();
  const auto bytes = std::as_bytes(kernel.data<float>());
  const std::size_t at = whole.find({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  ASSERT_NE(at, whole.npos);
  std::string damaged = whole;
  damaged[at + 5] ^= 1;
  testing::write_text(path_, damaged);
  EXPECT_THROW((void)Model::load(path_), CorruptionError);
  model->save(path_, {.seal = false});
  EXPECT_EQ(testing::text_of(path_).find("lamina"), std::string::npos);
}

}  // namespace
}  // namespace lamina
