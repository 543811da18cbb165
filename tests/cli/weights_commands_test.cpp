// inspect, diff and reshard, on trees saved by hand: no model is needed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/seal/sealed_file.h"
#include "h5/read/reader.h"
#include "tests/checkpoint/trees.h"
#include "tests/cli/binary.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace fs = std::filesystem;
using namespace lamina;
using lamina::testing::file_content;
using lamina::testing::Outcome;
using lamina::testing::random_tensor;
using lamina::testing::run_lamina;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

Tensor numbers(const Shape& shape, float first) {
  Tensor tensor = Tensor::empty(shape);
  for (float& value : tensor.data<float>()) value = first++;
  return tensor;
}

TreeBuilder small_tree() {
  TreeBuilder builder("model");
  builder.layer("layers/input_layer", "input");
  builder.layer("layers/dense", "head", {numbers({4, 3}, 0), numbers({3}, 100)});
  builder.layer("layers/block/conv2d", "stem", {Tensor::zeros({2, 2}, DType::kBFloat16)});
  return builder;
}

void save(const TreeBuilder& builder, const fs::path& path,
          std::optional<double> max_shard_size = {}, bool seal = true) {
  checkpoint::SaveRequest request;
  request.max_shard_size = max_shard_size;
  request.seal = seal;
  checkpoint::save(builder.tree, path, request);
}

checkpoint::Seal seal_of(const fs::path& file) {
  const h5::Reader reader(storage::posix().open(file));
  const auto sealed = checkpoint::read_sealed_file(reader);
  EXPECT_TRUE(sealed.has_value()) << file;
  return sealed ? sealed->seal : checkpoint::Seal();
}

void flip_bit_of(const fs::path& path, const std::string& group, const std::string& key) {
  std::uint64_t offset = 0;
  {
    const h5::Reader reader(storage::posix().open(path));
    offset = *reader.find(group)->datasets.at(key).offset;
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 1));
}

/// A tree whose order of writing is that of no name, number or size.
TreeBuilder random_tree(std::mt19937& random) {
  static const char* const kClasses[] = {"dense", "conv2d", "batch_normalization",
                                         "a",     "z",      "dropout"};
  const auto dim = [&](std::uint32_t end) { return static_cast<std::int64_t>(random() % end); };
  TreeBuilder builder("functional_" + std::to_string(random() % 10));
  std::map<std::string, int> counts;
  for (std::uint32_t i = 0, layers = 20 + random() % 40; i < layers; ++i) {
    const std::string name = kClasses[random() % 6];
    const int count = counts[name]++;
    std::vector<Tensor> values;
    for (std::uint32_t v = name == "dropout" ? 0 : random() % 13; v > 0; --v) {
      const auto dtype = static_cast<DType>(random() % 13);
      values.push_back(random_tensor(random, Shape{1 + dim(40), dim(8)}, dtype));
    }
    const auto parent = random() % 4 == 0 ? builder.tree.nodes.size() - 1 : 0;
    const std::string path = count == 0 ? name : fmt::format("{}_{}", name, count);
    builder.layer((parent == 0 ? "layers/" : "inner/") + path, path + "_name", values, parent);
  }
  return builder;
}

/// Every file of a directory by name, but for those that `run_lamina` leaves.
std::map<std::string, std::string> files_in(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.')) files[name] = file_content(entry.path());
  }
  return files;
}

std::vector<std::string> names_of(const std::map<std::string, std::string>& files) {
  std::vector<std::string> names;
  for (const auto& [name, content] : files) names.push_back(name);
  return names;
}

}  // namespace

TEST(Inspect, ShowsTheTreeWithEveryVariable) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.h5");
  const Outcome outcome = run_lamina(directory.path(), {"inspect", "w.weights.h5"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "path                       dtype     shape   bytes  file\n"
            "/ (model)\n"
            "└─ layers\n"
            "   ├─ input_layer (input)\n"
            "   ├─ dense (head)\n"
            "   │  ├─ 0                 float32   (4, 3)     48  w.weights.h5\n"
            "   │  └─ 1                 float32   (3,)       12  w.weights.h5\n"
            "   └─ block\n"
            "      └─ conv2d (stem)\n"
            "         └─ 0              bfloat16  (2, 2)      8  w.weights.h5\n"
            "\n"
            "4 groups, 3 variables, 19 parameters, 68.00 B in 1 file\n");
}

TEST(Inspect, ShowsWhichShardHoldsWhat) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.json", 56.0 / (1 << 30));
  const std::string text = run_lamina(directory.path(), {"inspect", "w.weights.json"}).out;
  EXPECT_THAT(text, AllOf(HasSubstr("48  w_00000.weights.h5"), HasSubstr("12  w_00001.weights.h5"),
                          HasSubstr(" 8  w_00001.weights.h5"), HasSubstr("68.00 B in 2 files")));
}

TEST(Inspect, PrintsTheSameAsJson) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.json", 56.0 / (1 << 30));
  const Outcome outcome = run_lamina(directory.path(), {"inspect", "w.weights.json", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["path"], "w.weights.json");
  EXPECT_EQ(json["sharded"], true);
  EXPECT_THAT(json["files"], ElementsAre("w_00000.weights.h5", "w_00001.weights.h5"));
  ASSERT_EQ(json["groups"].size(), 4U);
  EXPECT_EQ(json["groups"][0]["path"], "/vars");
  EXPECT_EQ(json["groups"][1]["variables"].size(), 0U);
  const auto& dense = json["groups"][2];
  EXPECT_EQ(dense["path"], "/layers/dense/vars");
  EXPECT_EQ(dense["name"], "head");
  EXPECT_EQ(dense["variables"][0],
            nlohmann::json::parse(R"({"key": "0", "dtype": "float32", "shape": [4, 3],
                                     "bytes": 48, "file": "w_00000.weights.h5"})"));
  EXPECT_EQ(dense["variables"][1]["file"], "w_00001.weights.h5");
  EXPECT_EQ(json["totals"], nlohmann::json::parse(
                                R"({"groups": 4, "variables": 3, "parameters": 19, "bytes": 68})"));
}

TEST(Inspect, NamesDoNotReachTheTerminalUnescaped) {
  const TemporaryDirectory directory;
  TreeBuilder builder("m\x1b[31m");
  save(builder, directory / "w.weights.h5");
  EXPECT_THAT(run_lamina(directory.path(), {"inspect", "w.weights.h5"}).out,
              HasSubstr("/ (m\\x1b[31m)"));
}

TEST(Diff, EqualWeightsAreEqualHoweverTheyAreStored) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "a.weights.h5");
  save(small_tree(), directory / "b.weights.json", 50.0 / (1 << 30));
  const Outcome outcome = run_lamina(directory.path(), {"diff", "a.weights.h5", "b.weights.json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "3 variables of a.weights.h5 and b.weights.json: equal\n");
}

TEST(Diff, NamesEverythingThatDiffers) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "a.weights.h5");
  TreeBuilder other("another name");
  other.layer("layers/dense", "head", {numbers({4, 3}, 0), numbers({3}, 100)});
  other.tree.nodes[1].variables[0].variable->assign(numbers({4, 3}, 0.5F));
  other.layer("layers/block/conv2d", "stem",
              {Tensor::zeros({2, 2}, DType::kFloat16), numbers({1}, 0)});
  other.layer("layers/more", "more", {numbers({2}, 0)});
  save(other, directory / "b.weights.h5");
  const Outcome outcome = run_lamina(directory.path(), {"diff", "a.weights.h5", "b.weights.h5"});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_EQ(
      outcome.out,
      "/layers/dense/vars/0: 12 of 12 elements differ, first at (0, 0): 0 and 0.5; the largest "
      "difference is 0.5\n"
      "/layers/block/conv2d/vars/0: bfloat16 (2, 2) and float16 (2, 2)\n"
      "/layers/block/conv2d/vars/1: float32 (1,) only in b.weights.h5\n"
      "/layers/more/vars/0: float32 (2,) only in b.weights.h5\n"
      "5 variables of a.weights.h5 and b.weights.h5: 4 differ\n");
  EXPECT_EQ(run_lamina(directory.path(), {"diff", "b.weights.h5", "a.weights.h5"}).status, 1);
}

TEST(Diff, OneFlippedBitIsFound) {
  const std::uint32_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  TreeBuilder builder;
  const Tensor value = random_tensor(random, {31, 7}, DType::kFloat64);
  builder.layer("layers/dense", "dense", {value});
  const TemporaryDirectory directory;
  save(builder, directory / "a.weights.h5");
  builder.tree.nodes[1].variables[0].variable->assign(value.clone());
  Tensor flipped = value.clone();
  const std::size_t element = random() % 217;
  flipped.bytes()[element * 8] ^= std::byte{1};
  builder.tree.nodes[1].variables[0].variable->assign(flipped);
  save(builder, directory / "b.weights.h5");
  const Outcome outcome = run_lamina(directory.path(), {"diff", "a.weights.h5", "b.weights.h5"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr(fmt::format("1 of 217 elements differ, first at ({}, {})",
                                                 element / 7, element % 7)));
}

TEST(Reshard, GivesTheBytesThatSavingWouldHaveGiven) {
  const std::uint32_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 5; ++round) {
    const TreeBuilder builder = random_tree(random);
    const double limit = static_cast<double>(2560 + random() % 4000) / (1 << 30);
    const TemporaryDirectory single, sharded, there, back;
    save(builder, single / "m.weights.h5", {}, false);
    save(builder, sharded / "m.weights.json", limit, false);

    const Outcome split =
        run_lamina(there.path(), {"reshard", single / "m.weights.h5", "m.weights.json", "--no-seal",
                                  "--max-shard-size", fmt::format("{:.17g}", limit)});
    ASSERT_EQ(split.status, 0) << split.err;
    EXPECT_EQ(names_of(files_in(there.path())), names_of(files_in(sharded.path())));
    EXPECT_TRUE(files_in(there.path()) == files_in(sharded.path()));

    const Outcome joined =
        run_lamina(back.path(), {"reshard", there / "m.weights.json", "m.weights.h5", "--no-seal"});
    ASSERT_EQ(joined.status, 0) << joined.err;
    EXPECT_TRUE(files_in(back.path()) == files_in(single.path()));
  }
}

TEST(Reshard, SealsWhatItWritesAnew) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "a.weights.h5");
  ASSERT_EQ(run_lamina(directory.path(), {"reshard", "a.weights.h5", "b.weights.h5"}).status, 0);
  EXPECT_NE(seal_of(directory / "a.weights.h5").save, seal_of(directory / "b.weights.h5").save);
  EXPECT_EQ(seal_of(directory / "a.weights.h5").tensors,
            seal_of(directory / "b.weights.h5").tensors);
}

TEST(Reshard, OfADamagedTensorWritesNothing) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "a.weights.h5");
  flip_bit_of(directory / "a.weights.h5", "/layers/dense/vars", "1");
  const Outcome outcome = run_lamina(directory.path(), {"reshard", "a.weights.h5", "b.weights.h5"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'/layers/dense/vars/1' is damaged"));
  EXPECT_THAT(names_of(files_in(directory.path())), ElementsAre("a.weights.h5"));
}

TEST(Reshard, GroupsWithoutANameStayWithoutOne) {
  const TemporaryDirectory directory;
  TreeBuilder builder = small_tree();
  builder.tree.nodes[2].has_name = false;
  save(builder, directory / "a.weights.h5");
  ASSERT_EQ(run_lamina(directory.path(), {"reshard", "a.weights.h5", "b.weights.h5"}).status, 0);
  const h5::Reader reader(storage::posix().open(directory / "b.weights.h5"));
  EXPECT_EQ(reader.find("/layers/dense/vars")->name, std::nullopt);
  EXPECT_EQ(reader.find("/layers/block/conv2d/vars")->name, "stem");
}

TEST(Reshard, InPlaceLeavesNoShardOfTheOldCheckpoint) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.json", 50.0 / (1 << 30));
  ASSERT_GE(files_in(directory.path()).size(), 3U);
  save(small_tree(), directory / "kept.weights.h5");
  const Outcome outcome = run_lamina(
      directory.path(), {"reshard", "w.weights.json", "w.weights.json", "--max-shard-size", "1"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(names_of(files_in(directory.path())),
              ElementsAre("kept.weights.h5", "w.weights.json", "w_00000.weights.h5"));
  EXPECT_EQ(run_lamina(directory.path(), {"diff", "w.weights.json", "kept.weights.h5"}).status, 0);
}

TEST(Reshard, AVariableLargerThanAShardIsRefusedAndNothingWritten) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.h5");
  const Outcome outcome = run_lamina(
      directory.path(), {"reshard", "w.weights.h5", "v.weights.json", "--max-shard-size", "1e-9"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("maximum shard size"));
  EXPECT_THAT(names_of(files_in(directory.path())), ElementsAre("w.weights.h5"));
}

TEST(Reshard, WithoutALimitAShardedNameIsRefused) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.h5");
  const Outcome outcome =
      run_lamina(directory.path(), {"reshard", "w.weights.h5", "v.weights.json"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("must end in `.weights.h5`"),
                                 HasSubstr("v.weights.json"), HasSubstr("--max-shard-size")));
}

TEST(Verify, SaysThatSoundFilesAreSound) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "a.weights.h5");
  save(small_tree(), directory / "b.weights.json", 50.0 / (1 << 30));
  const Outcome single = run_lamina(directory.path(), {"verify", "a.weights.h5"});
  EXPECT_EQ(single.status, 0) << single.err;
  EXPECT_EQ(single.out, "a.weights.h5: sound, 1 file, 3 tensors verified, 68.00 B\n");
  const Outcome sharded = run_lamina(directory.path(), {"verify", "b.weights.json"});
  EXPECT_EQ(sharded.status, 0) << sharded.err;
  EXPECT_THAT(sharded.out, HasSubstr("b.weights.json: sound, 2 files, 3 tensors verified"));
}

TEST(Verify, NamesEachDamagedTensorAndMissingShardOnALineOfItsOwn) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.json", 50.0 / (1 << 30));
  flip_bit_of(directory / "w_00000.weights.h5", "/layers/dense/vars", "0");
  fs::remove(directory / "w_00001.weights.h5");
  const Outcome outcome = run_lamina(directory.path(), {"verify", "w.weights.json"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("w_00000.weights.h5': '/layers/dense/vars/0' is damaged"));
  EXPECT_THAT(outcome.out, HasSubstr("w_00001.weights.h5"));
  EXPECT_THAT(outcome.out, HasSubstr(" problems\n"));
}

TEST(Verify, WhatCannotBeReadIsAnErrorAndDamageOfTheRestIsStillToldOf) {
  for (const bool loop : {true, false}) {
    const TemporaryDirectory directory;
    save(small_tree(), directory / "w.weights.json", 50.0 / (1 << 30));
    flip_bit_of(directory / "w_00000.weights.h5", "/layers/dense/vars", "0");
    const fs::path unreadable = directory / "w_00001.weights.h5";
    fs::remove(unreadable);
    if (loop) {
      fs::create_symlink(unreadable.filename(), unreadable);
    } else {
      fs::create_directory(unreadable);
    }
    const Outcome outcome = run_lamina(directory.path(), {"verify", "w.weights.json"});
    EXPECT_EQ(outcome.status, 2) << outcome.out;
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr("w_00000.weights.h5': '/layers/dense/vars/0' is damaged"),
                      HasSubstr("w.weights.json: 1 problem\n")));
    EXPECT_EQ(outcome.err,
              fmt::format("lamina: error: 'w.weights.json' cannot be verified as a whole: open "
                          "failed for 'w_00001.weights.h5': {}\n",
                          loop ? "Too many levels of symbolic links" : "Is a directory"));
  }
}

TEST(Verify, NamesAShardOfAnotherSaveOfTheSame) {
  const TemporaryDirectory directory, other;
  save(small_tree(), directory / "w.weights.json", 50.0 / (1 << 30));
  save(small_tree(), other / "w.weights.json", 50.0 / (1 << 30));
  fs::copy_file(other / "w_00001.weights.h5", directory / "w_00001.weights.h5",
                fs::copy_options::overwrite_existing);
  const Outcome outcome = run_lamina(directory.path(), {"verify", "w.weights.json"});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("w_00001.weights.h5' belongs to the save "),
                                 HasSubstr("w.weights.json: 1 problem\n")));
}

TEST(Verify, AFileThatIsCutShortOrNoneOfOursFails) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.h5");
  fs::resize_file(directory / "w.weights.h5", fs::file_size(directory / "w.weights.h5") - 1);
  EXPECT_EQ(run_lamina(directory.path(), {"verify", "w.weights.h5"}).status, 1);
  fs::resize_file(directory / "w.weights.h5", 40);
  EXPECT_EQ(run_lamina(directory.path(), {"verify", "w.weights.h5"}).status, 1);
  EXPECT_EQ(run_lamina(directory.path(), {"verify", "none.weights.h5"}).status, 2);
}

TEST(Verify, SaysOfAnUnsealedFileThatItIsNone) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "w.weights.h5", {}, false);
  const Outcome outcome = run_lamina(directory.path(), {"verify", "w.weights.h5"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("'w.weights.h5' is not sealed"));
}

TEST(InspectAndDiff, DoNotTakeTheSealForWeights) {
  const TemporaryDirectory directory;
  save(small_tree(), directory / "a.weights.h5");
  save(small_tree(), directory / "b.weights.h5", {}, false);
  const Outcome a = run_lamina(directory.path(), {"inspect", "a.weights.h5"});
  Outcome b = run_lamina(directory.path(), {"inspect", "b.weights.h5"});
  EXPECT_EQ(a.status, 0);
  EXPECT_THAT(a.out, ::testing::Not(HasSubstr("lamina")));
  const Outcome difference = run_lamina(directory.path(), {"diff", "a.weights.h5", "b.weights.h5"});
  EXPECT_EQ(difference.status, 0) << difference.out;
}
