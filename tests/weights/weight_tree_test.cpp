#include "weights/weight_tree.h"

#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::weights;

TEST(SaveOrder, VisitsEachNodeOnceAtItsFirstPath) {
  WeightTree tree;
  tree.nodes.resize(3);
  tree.nodes[0].edges = {{"a", 1}, {"layers/dense", 1}, {"layers/dense_1", 2}};
  tree.nodes[1].edges = {{"inner", 2}};
  const auto order = save_order(tree);
  ASSERT_EQ(order.size(), 3u);
  EXPECT_EQ(order[0].path, "/vars");
  EXPECT_EQ(order[1].path, "/a/vars");
  EXPECT_EQ(order[2].path, "/a/inner/vars");
}

TEST(SaveOrder, SkipsANodeAndWhatOnlyItHolds) {
  WeightTree tree;
  tree.nodes.resize(3);
  tree.nodes[0].edges = {{"a", 1}, {"b", 2}};
  tree.nodes[1].edges = {{"inner", 2}};
  const auto order = save_order(tree, {1});
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(order[1].path, "/b/vars");
}

TEST(SaveOrder, RefusesTwoNodesAtOnePath) {
  WeightTree tree;
  tree.nodes.resize(3);
  tree.nodes[1].name = "a";
  tree.nodes[1].class_name = "Dense";
  tree.nodes[2].name = "b";
  tree.nodes[2].class_name = "Dense_1";
  tree.nodes[0].edges = {{"layers/dense_1", 1}, {"layers/dense_1", 2}};
  try {
    (void)save_order(tree);
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "The weights of <Dense_1 name=b, built=True> and of <Dense name=a, built=True> "
                 "would both be stored at '/layers/dense_1/vars': rename one of the two classes.");
  }
}

TEST(WeightNode, IsCalledByItsClassAndNameInMessages) {
  WeightNode node;
  EXPECT_EQ(node.repr(), "an object");
  node.name = "x";
  EXPECT_EQ(node.repr(), "'x'");
  node.class_name = "Conv2D";
  EXPECT_EQ(node.repr(), "<Conv2D name=x, built=True>");
  node.built = false;
  EXPECT_EQ(node.repr(), "<Conv2D name=x, built=False>");
  node.kind = WeightNode::Kind::kOptimizer;
  EXPECT_EQ(node.repr(), "<Conv2D name=x>");
}
