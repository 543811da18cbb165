#include <gmock/gmock.h>
#include <lamina/error.h>

#include <functional>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::kGB;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::HasSubstr;
using ::testing::Not;

/// Of files without checksums, of which only what they say can tell that they are bad.
class BadInput : public ::testing::Test {
 protected:
  BadInput() {
    for (int i = 0; i < 3; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder_.layer("layers/" + name, name,
                     {random_tensor(random_, {8, 30}, DType::kFloat32),
                      random_tensor(random_, {30}, DType::kFloat32)});
    }
    save(builder_.tree, file("s.weights.json"), unsealed(1000 / kGB));  // an entry spans two shards
    save(builder_.tree, file("m.weights.h5"), unsealed());
  }

  static SaveRequest unsealed(std::optional<double> max_shard_size = {}) {
    SaveRequest request;
    request.max_shard_size = max_shard_size;
    request.seal = false;
    return request;
  }

  std::filesystem::path file(const std::string& name) { return directory_ / name; }
  std::string text_of(const std::string& name) { return lamina::testing::text_of(file(name)); }
  void write(const std::string& name, const std::string& text) {
    lamina::testing::write_text(file(name), text);
  }
  void change_index(const std::string& from, const std::string& to) {
    std::string text = text_of("s.weights.json");
    ASSERT_NE(text.find(from), text.npos);
    for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    write("s.weights.json", text);
  }
  /// The error of a load, which must leave the model as it was; nothing when it loads, which must
  /// fill every tensor.
  std::string refusal(const std::string& name) {
    const auto copy = poisoned_copy(builder_.tree);
    const auto before = snapshot(copy);
    CapturedWarnings warnings;
    try {
      load(copy, file(name), {});
    } catch (const Error& error) {
      EXPECT_TRUE(same_values(snapshot(copy), before));
      EXPECT_THAT(error.what(), HasSubstr(directory_.path().string()));
      return error.what();
    }
    const auto after = snapshot(copy);
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_FALSE(bitwise_equal(after[i], before[i])) << "nothing was loaded into tensor " << i;
    }
    return {};
  }
  bool loads(const std::string& name) {
    const auto copy = poisoned_copy(builder_.tree);
    load(copy, file(name), {});
    return same_values(snapshot(copy), snapshot(builder_.tree));
  }

  TemporaryDirectory directory_{lamina::testing::memory_directory()};
  std::mt19937 random_{lamina::test::fresh_seed()};
  TreeBuilder builder_;
};

TEST_F(BadInput, AMissingFileIsFileNotFound) {
  EXPECT_THROW(load(builder_.tree, file("none.weights.h5"), {}), FileNotFoundError);
  EXPECT_THROW(load(builder_.tree, file("none.weights.json"), {}), FileNotFoundError);
}

TEST_F(BadInput, AnUnbuiltModelIsRefused) {
  builder_.tree.nodes[0].built = false;
  try {
    load(builder_.tree, file("m.weights.h5"), {});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(
        error.what(),
        "You are loading weights into a model that has not yet been built. Try building the "
        "model first by calling it on some data or by using `build()`.");
  }
}

TEST_F(BadInput, AMissingShardIsNamedWithTheIndexThatListsIt) {
  storage::posix().remove(file("s_00001.weights.h5"));
  const std::string message = refusal("s.weights.json");
  EXPECT_THAT(message, HasSubstr("s_00001.weights.h5': No such file"));
  EXPECT_THAT(message, HasSubstr("s.weights.json"));
}

TEST_F(BadInput, ShardNamesOutsideTheDirectoryAreRefused) {
  change_index("s_00001.weights.h5", "../s_00001.weights.h5");
  EXPECT_THAT(refusal("s.weights.json"), HasSubstr("Invalid name '../s_00001.weights.h5'"));
}

TEST_F(BadInput, AShardOfAnotherSaveDoesNotFit) {
  TreeBuilder other;
  other.layer("layers/x_0", "x_0", {random_tensor(random_, {8, 31}, DType::kFloat32)});
  save(other.tree, file("o.weights.h5"), unsealed());
  write("s_00000.weights.h5", text_of("o.weights.h5"));
  EXPECT_THAT(refusal("s.weights.json"), HasSubstr("/layers/x_0/vars"));
}

TEST_F(BadInput, AnIndexWithSwappedShardsDoesNotFit) {
  const std::string first = text_of("s_00000.weights.h5");
  write("s_00000.weights.h5", text_of("s_00002.weights.h5"));
  write("s_00002.weights.h5", first);
  EXPECT_THAT(refusal("s.weights.json"), HasSubstr("could not be loaded"));
}

TEST_F(BadInput, AListIsAsGoodAsAString) {
  TreeBuilder one;
  one.layer("layers/a", "a", {random_tensor(random_, {3}, DType::kFloat32)});
  save(one.tree, file("l.weights.json"), unsealed(1));
  const std::string text = text_of("l.weights.json");
  const std::string quoted = "\"l_00000.weights.h5\"";
  ASSERT_NE(text.find(": " + quoted), text.npos);
  std::string listed = text;
  listed.replace(text.find(quoted), quoted.size(), "[" + quoted + "]");
  write("l.weights.json", listed);
  const auto copy = poisoned_copy(one.tree);
  load(copy, file("l.weights.json"), {});
  EXPECT_TRUE(same_values(snapshot(copy), snapshot(one.tree)));
}

TEST_F(BadInput, ARenamedIndexStillFindsItsShards) {
  write("renamed_weights.json", text_of("s.weights.json"));
  EXPECT_TRUE(loads("renamed_weights.json"));
}

TEST_F(BadInput, APathThatTheIndexDoesNotListHasNoVariables) {
  change_index("/layers/x_2/vars", "/layers/y/vars");
  const std::string message = refusal("s.weights.json");
  EXPECT_THAT(message, HasSubstr("Layer 'x_2' expected 2 variables, but received 0"));
}

TEST_F(BadInput, FilesCutAtEvery512thByteAreRefused) {
  for (const std::string name : {"m.weights.h5", "s_00001.weights.h5"}) {
    const std::string whole = text_of(name);
    for (std::size_t size = 0; size < whole.size(); size += 512) {
      write(name, whole.substr(0, size));
      EXPECT_NE(refusal(name[0] == 'm' ? name : "s.weights.json"), "")
          << name << " cut to " << size;
    }
    write(name, whole);
  }
  EXPECT_TRUE(loads("m.weights.h5"));
  EXPECT_TRUE(loads("s.weights.json"));
}

TEST_F(BadInput, TextCutAnywhereIsNoIndex) {
  const std::string whole = text_of("s.weights.json");
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write("s.weights.json", whole.substr(0, size));
    EXPECT_THAT(refusal("s.weights.json"), HasSubstr("s.weights.json")) << size;
  }
}

TEST_F(BadInput, RandomBytesAreRefused) {
  for (int round = 0; round < 50; ++round) {
    std::string noise(random_() % 4000, '\0');
    for (char& c : noise) c = static_cast<char>(random_());
    write("m.weights.h5", noise);
    write("s.weights.json", noise);
    EXPECT_NE(refusal("m.weights.h5"), "");
    EXPECT_NE(refusal("s.weights.json"), "");
  }
}

TEST_F(BadInput, FlippedBytesGiveAnErrorOrALoadButNothingBetween) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string whole = text_of("m.weights.h5"), index = text_of("s.weights.json");
  int refused = 0, refused_indices = 0;
  for (int round = 0; round < 600; ++round) {
    std::string damaged = whole, damaged_index = index;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 + random() % 255);
    damaged_index[random() % damaged_index.size()] ^= static_cast<char>(1 + random() % 255);
    write("m.weights.h5", damaged);
    write("s.weights.json", damaged_index);
    refused += !refusal("m.weights.h5").empty();
    refused_indices += !refusal("s.weights.json").empty();
  }
  EXPECT_GT(refused, 10);  // without a seal, most damage lies where nobody sees it
  EXPECT_GT(refused_indices, 150);
}

}  // namespace
}  // namespace lamina::checkpoint
