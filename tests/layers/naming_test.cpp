#include <gtest/gtest.h>
#include <lamina/layers.h>

using namespace lamina;

TEST(LayerName, CountsPerClassInOrderOfConstructionUntilTheSessionIsCleared) {
  clear_session();
  const LayerRef a = layers::Dense({.units = 1});
  const LayerRef named = layers::Dense({.units = 1, .name = "head"});
  const LayerRef b = layers::Dense({.units = 1});
  const LayerRef relu = layers::ReLU();
  EXPECT_EQ(b->name(), "dense_1");
  EXPECT_EQ(a->name(), "dense");
  EXPECT_EQ(named->name(), "head");
  EXPECT_EQ(relu->name(), "re_lu");
  clear_session();
  EXPECT_EQ(layers::Dense({.units = 1})->name(), "dense");
}

TEST(LayerName, RefusesASlash) {
  EXPECT_THROW((void)layers::Dense({.units = 1, .name = "a/b"}), ValueError);
}

TEST(LayerRepr, IsKerasOwn) {
  clear_session();
  const LayerRef dense = layers::Dense({.units = 3});
  EXPECT_EQ(dense->repr(), "<Dense name=dense, built=False>");
  (void)dense(layers::Input({.shape = {4}}));
  EXPECT_EQ(dense->repr(), "<Dense name=dense, built=True>");
}
