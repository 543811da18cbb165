#include "checkpoint/names/paths.h"

#include <gmock/gmock.h>
#include <lamina/error.h>

#include <sstream>
#include <string>

#include "checkpoint/names/prompt.h"
#include "tests/fakes/captured_warnings.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

template <class E, class F>
std::string thrown(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing";
}

TEST(Paths, SaveWantsKerassSuffixes) {
  EXPECT_EQ(thrown<ValueError>([] { (void)save_target("m.weights.json", {}); }),
            "The filename must end in `.weights.h5`. Received: filepath=m.weights.json. To save "
            "shards and their index, give `max_shard_size` (`--max-shard-size` of the command).");
  EXPECT_EQ(thrown<ValueError>([] { (void)save_target("myweights.h5", {}); }),
            "The filename must end in `.weights.h5`. Received: filepath=myweights.h5");
  EXPECT_EQ(
      thrown<ValueError>([] { (void)save_target("m.json", 1.0); }),
      "The filename must end in `.weights.json` when `max_shard_size` is specified. Received: "
      "filepath=m.json");
  EXPECT_FALSE(save_target("d/m.weights.h5", {}).sharded);
  EXPECT_EQ(save_target("d/m.weights.h5", {}).file, "d/m.weights.h5");
}

// The system would see another file's name.
TEST(Paths, AreRefusedWithAZeroByteInThem) {
  using namespace std::string_literals;
  for (const std::string& name : {"m\0.weights.h5"s, "m\0.weights.json"s, "m.\0keras"s}) {
    const std::string wanted = "embedded null byte: no file can have such a name. Received: "s;
    EXPECT_THAT(thrown<ValueError>([&] { (void)save_target(name, {}); }), StartsWith(wanted));
    EXPECT_THAT(thrown<ValueError>([&] { (void)save_target(name, 1.0); }), StartsWith(wanted));
    EXPECT_THAT(thrown<ValueError>([&] { (void)archive_target(name); }), StartsWith(wanted));
    EXPECT_THAT(thrown<ValueError>([&] { (void)load_kind(name); }), StartsWith(wanted));
  }
}

TEST(Paths, ShardedSaveRenamesToJsonWithKerassWarning) {
  CapturedWarnings warnings;
  EXPECT_EQ(save_target("d/m.weights.json", 1.0).file, "d/m.weights.json");
  EXPECT_EQ(save_target("myweights.json", 1.0).file, "myweights.json");
  EXPECT_THAT(warnings.all, IsEmpty());
  const SaveTarget target = save_target("d/m.weights.h5", 1.0);
  EXPECT_EQ(target.file, "d/m.weights.json");
  EXPECT_TRUE(target.sharded);
  EXPECT_THAT(
      warnings.all,
      ElementsAre("Saving sharded weights requires `*.json` as the extension. The original path: "
                  "d/m.weights.h5 will be renamed to d/m.weights.json."));
}

TEST(Paths, ShardsAreNamedAfterTheIndex) {
  EXPECT_EQ(shard_base("d/model.weights.json"), "model");
  EXPECT_EQ(shard_base("a.weights.v2.weights.json"), "a.v2");
  EXPECT_EQ(shard_base("myweights.json"), "myweights");
  EXPECT_EQ(shard_name("model", 3), "model_00003.weights.h5");
  EXPECT_EQ(shard_name("model", 123456), "model_123456.weights.h5");
  EXPECT_TRUE(is_shard_name("model_00003.weights.h5", "model"));
  EXPECT_TRUE(is_shard_name("model_123456.weights.h5", "model"));
  for (const char* other :
       {"model_0003.weights.h5", "model_012345.weights.h5", "model_0000x.weights.h5",
        "other_00003.weights.h5", "model_00003.h5", "model.weights.h5", "model"}) {
    EXPECT_FALSE(is_shard_name(other, "model")) << other;
  }
}

TEST(Paths, LoadDispatchesOnTheSuffix) {
  EXPECT_EQ(load_kind("m.keras"), LoadKind::kArchive);
  EXPECT_EQ(load_kind("m.weights.h5"), LoadKind::kSingle);
  EXPECT_EQ(load_kind("m.weights.json"), LoadKind::kSharded);
  EXPECT_EQ(load_kind("myweights.json"), LoadKind::kSharded);
  EXPECT_EQ(load_kind("m.h5"), LoadKind::kLegacy);
  EXPECT_EQ(load_kind("m.hdf5"), LoadKind::kLegacy);
  EXPECT_EQ(thrown<ValueError>([] { (void)load_kind("m.npz"); }),
            "File format not supported: filepath=m.npz. Keras 3 only supports V3 `.keras` files, "
            "`.weights.h5` files, legacy H5 format files (`.h5` extension), or Orbax checkpoints. "
            "Lamina loads `.weights.h5` files, `.weights.json` checkpoints, and the weights of "
            "`.keras` and of legacy H5 files.");
}

TEST(Prompt, AsksUntilYOrN) {
  std::istringstream in("what\n Y \n");
  std::ostringstream out;
  EXPECT_TRUE(may_overwrite("m.weights.h5", {in, out, true}));
  EXPECT_EQ(
      out.str(),
      "[WARNING] m.weights.h5 already exists - overwrite? [y/n]Enter \"y\" (overwrite) or \"n\" "
      "(cancel).[TIP] Next time specify overwrite=True!\n");
  std::istringstream no("n\n");
  EXPECT_FALSE(may_overwrite("m.weights.h5", {no, out, true}));
}

TEST(Prompt, WithoutATerminalOrAnAnswerIsAnError) {
  std::istringstream in("y\n"), empty;
  std::ostringstream out;
  EXPECT_THROW((void)may_overwrite("m.weights.h5", {in, out, false}), ValueError);
  EXPECT_EQ(out.str(), "");
  EXPECT_THROW((void)may_overwrite("m.weights.h5", {empty, out, true}), ValueError);
}

}  // namespace
}  // namespace lamina::checkpoint
