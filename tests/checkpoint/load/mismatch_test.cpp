#include <gmock/gmock.h>
#include <lamina/error.h>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class Mismatches : public ::testing::Test {
 protected:
  Tensor values(Shape shape) { return random_tensor(random_, shape, DType::kFloat32); }
  std::filesystem::path saved(const TreeBuilder& builder) {
    save(builder.tree, directory_ / "m.weights.h5", {});
    return directory_ / "m.weights.h5";
  }
  /// The message of a strict load, which must leave every variable as it was.
  std::string refusal(const TreeBuilder& builder, const std::filesystem::path& path) {
    const auto before = snapshot(builder.tree);
    std::string message = "loaded";
    try {
      load(builder.tree, path, {});
    } catch (const MismatchError& error) {
      message = error.what();
      EXPECT_TRUE(same_values(snapshot(builder.tree), before));
    }
    return message;
  }

  TemporaryDirectory directory_;
  std::mt19937 random_{lamina::test::fresh_seed()};
};

TEST_F(Mismatches, AreReportedAllAtOnceWithPathsShapesAndTheNearestCandidate) {
  TreeBuilder source, target;
  source.layer("layers/dense", "dense", {values({4, 3}), values({3})});
  source.layer("layers/dense_1", "dense_1", {values({3, 5}), values({5})});
  source.layer("layers/conv2d", "conv2d", {values({3, 3, 1, 8})});
  target.layer("layers/dense", "mine", {values({4, 3}), values({3})});
  target.layer("layers/dense_1", "head", {values({3, 7}), values({7})});
  target.layer("layers/my_conv", "conv", {values({3, 3, 1, 8})});
  const auto path = saved(source);
  const std::string shape_error =
      "The shape of the target variable and the shape of the target value in "
      "`variable.assign(value)` "
      "must match. variable.shape=(3, 7), Received: value.shape=(3, 5). Target variable: <Variable "
      "path=head/kernel, shape=(3, 7), dtype=float32>";
  const std::string expected =
      "A total of 2 objects could not be loaded. Example error message for object <Dense "
      "name=head, "
      "built=True>:\n\n" +
      shape_error +
      "\n\nList of objects that could not be loaded:\n[<Dense name=head, built=True>, <Dense "
      "name=conv, "
      "built=True>]\n\nIn '" +
      path.string() + "':\n- <Dense name=head, built=True>: " + shape_error +
      R"(
    looked for: '/layers/dense_1/vars'
    wanted: 0: kernel (3, 7) float32, 1: bias (7,) float32
    found: 0: (3, 5) float32, 1: (5,) float32
- <Dense name=conv, built=True>: Layer 'conv' expected 1 variables, but received 0 variables during loading. Expected: ['kernel']
    looked for: '/layers/my_conv/vars'
    wanted: 0: kernel (3, 3, 1, 8) float32
    found: no variables
    nearest in the file: '/layers/conv2d/vars' with 0: (3, 3, 1, 8) float32)";
  EXPECT_EQ(refusal(target, path), expected);
}

TEST_F(Mismatches, SkippedOnesKeepTheirValuesWithAWarningEach) {
  TreeBuilder source, target;
  source.layer("layers/dense", "dense", {values({4, 3}), values({3})});
  source.layer("layers/dense_1", "dense_1", {values({3}), values({5})});
  source.layer("layers/dense_2", "dense_2", {values({2})});
  target.layer("layers/dense", "dense", {values({4, 3}), values({3})});
  target.layer("layers/dense_1", "dense_1", {values({3}), values({6})});
  target.layer("layers/dense_3", "dense_3", {values({3})});
  const auto before = snapshot(target.tree), saved_values = snapshot(source.tree);
  LoadRequest request;
  request.skip_mismatch = true;
  CapturedWarnings warnings;
  load(target.tree, saved(source), request);
  const auto after = snapshot(target.tree);
  EXPECT_TRUE(bitwise_equal(after[0], saved_values[0]));
  EXPECT_TRUE(bitwise_equal(after[1], saved_values[1]));
  for (std::size_t i = 2; i < 5; ++i) EXPECT_TRUE(bitwise_equal(after[i], before[i])) << i;
  EXPECT_THAT(
      warnings.all,
      ElementsAre(StartsWith("Skipping <Dense name=dense_1, built=True>, which keeps its values: "
                             "The shape of the target variable"),
                  StartsWith("Skipping <Dense name=dense_3, built=True>, which keeps its values: "
                             "Layer 'dense_3' expected 1 variables, but received 0 variables"),
                  HasSubstr("holds 1 variables in 1 groups that the model did not ask for: "
                            "'/layers/dense_2/vars' (1).")));
}

TEST_F(Mismatches, UnusedWeightsAreOneBoundedWarning) {
  TreeBuilder source, target;
  for (int i = 0; i < 30; ++i)
    source.layer("layers/x_" + std::to_string(100 + i), "x", {values({1})});
  CapturedWarnings warnings;
  load(target.tree, saved(source), {});
  ASSERT_THAT(warnings.all, SizeIs(1));
  EXPECT_THAT(warnings.all[0], HasSubstr("30 variables in 30 groups"));
  EXPECT_THAT(warnings.all[0], HasSubstr("'/layers/x_111/vars' (1), ..."));
  EXPECT_THAT(warnings.all[0], Not(HasSubstr("x_112")));
}

TEST_F(Mismatches, AnUnbuiltLayerGetsKerassLongMessage) {
  TreeBuilder source, target;
  source.layer("layers/dense", "dense", {values({4})});
  target.tree.nodes[target.layer("layers/dense", "d")].built = false;
  const std::string message = refusal(target, saved(source));
  EXPECT_THAT(message,
              HasSubstr("Layer 'd' was never built and thus it doesn't have any variables. However "
                        "the weights file lists 1 variables for this layer.\nIn most cases"));
}

TEST_F(Mismatches, AnUnusualKeyIsNamed) {
  TreeBuilder source, target;
  source.layer("layers/dense", "dense", {values({4}), values({4})});
  source.tree.nodes[1].variables[1].key = "2";
  target.layer("layers/dense", "dense", {values({4}), values({4})});
  EXPECT_THAT(
      refusal(target, saved(source)),
      HasSubstr(
          "The variable 'bias' of 'dense' is stored as '1', and the group holds ['0', '2']."));
}

TEST_F(Mismatches, OfAnOptimizersCountAreAWarningOnly) {
  TreeBuilder source, target, unbuilt;
  source.layer("layers/a", "a", {values({2})});
  source.optimizer({values({}), values({}), values({3})});
  target.layer("layers/a", "a", {values({2})});
  target.optimizer({values({}), values({})});
  unbuilt.layer("layers/a", "a", {values({2})});
  unbuilt.optimizer({});
  const auto path = saved(source);
  const auto before = snapshot(target.tree);
  CapturedWarnings warnings;
  load(target.tree, path, {});
  load(unbuilt.tree, path, {});
  EXPECT_THAT(
      warnings.all,
      ElementsAre("Skipping variable loading for optimizer 'adam', because it has 2 variables "
                  "whereas the saved optimizer has 3 variables. ",
                  "Skipping variable loading for optimizer 'adam', because it has 0 variables "
                  "whereas the saved optimizer has 3 variables. This is likely because the "
                  "optimizer has not been called/built yet."));
  const auto after = snapshot(target.tree);
  EXPECT_TRUE(bitwise_equal(after[0], snapshot(source.tree)[0]));
  EXPECT_TRUE(bitwise_equal(after[1], before[1]));
}

TEST_F(Mismatches, OfAnOptimizersShapesAreErrorsAndChangeNothing) {
  TreeBuilder source, target;
  source.optimizer({values({}), values({3})});
  target.optimizer({values({}), values({4})});
  EXPECT_THAT(refusal(target, saved(source)),
              HasSubstr("variable.shape=(4,), Received: value.shape=(3,)"));
}

// As in Keras, an object that is not at its first path is looked for under the others.
TEST_F(Mismatches, ArePassedOverWhenAnotherPathFits) {
  TreeBuilder source, target;
  source.layer("layers/dense", "dense", {values({3})});
  const auto dense = target.layer("a_dense", "dense", {values({3})});
  target.alias(0, "layers/dense", dense);
  CapturedWarnings warnings;
  load(target.tree, saved(source), {});
  EXPECT_TRUE(same_values(snapshot(target.tree), snapshot(source.tree)));
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(Mismatches, OfAllPathsListEveryPathLookedFor) {
  TreeBuilder source, target;
  source.layer("layers/other", "other", {values({9})});
  const auto dense = target.layer("a_dense", "dense", {values({3})});
  target.alias(0, "layers/dense", dense);
  target.alias(0, "_operations_by_depth/container/dense", dense);
  CapturedWarnings warnings;
  EXPECT_THAT(refusal(target, saved(source)),
              HasSubstr("looked for: '/a_dense/vars', '/layers/dense/vars'\n"));
  EXPECT_THAT(warnings.all, IsEmpty()) << "a container is not to blame";
}

TEST_F(Mismatches, InANestedContainerOfAnOldFileAreAWarning) {
  TreeBuilder source, recovered, kept;
  source.layer("layers/dense", "dense", {values({3})});
  const auto path = saved(source);
  const auto dense = recovered.layer("blocks/container/dense", "dense", {values({3})});
  recovered.alias(0, "layers/dense", dense);
  kept.layer("blocks/container/dense", "dense", {values({3})});
  const auto before = snapshot(kept.tree);
  CapturedWarnings warnings;
  load(recovered.tree, path, {});
  EXPECT_TRUE(same_values(snapshot(recovered.tree), snapshot(source.tree)));
  load(kept.tree, path, {});
  EXPECT_TRUE(same_values(snapshot(kept.tree), before));
  ASSERT_THAT(warnings.all, SizeIs(3));
  EXPECT_THAT(warnings.all[0],
              StartsWith("Skipping nested container at 'blocks/container': no matching "
                         "group found in the saved file."));
  EXPECT_THAT(warnings.all[1],
              ::testing::EndsWith("Affected layers will retain their freshly-initialized "
                                  "weights."));
  EXPECT_THAT(warnings.all[2], HasSubstr("did not ask for"));
}

TEST_F(Mismatches, InFilesOfKeras213AreLookedForUnderItsName) {
  TreeBuilder source, target;
  source.layer("_layer_checkpoint_dependencies/dense", "dense", {values({3})});
  target.layer("layers/dense", "dense", {values({3})});
  CapturedWarnings warnings;
  load(target.tree, saved(source), {});
  EXPECT_TRUE(same_values(snapshot(target.tree), snapshot(source.tree)));
  EXPECT_THAT(warnings.all, IsEmpty());
}

}  // namespace
}  // namespace lamina::checkpoint
