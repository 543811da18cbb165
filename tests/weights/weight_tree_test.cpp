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
  tree.nodes[1].repr = "<Dense name=a>";
  tree.nodes[2].repr = "<Dense_1 name=b>";
  tree.nodes[0].edges = {{"layers/dense_1", 1}, {"layers/dense_1", 2}};
  EXPECT_THROW((void)save_order(tree), ValueError);
}
