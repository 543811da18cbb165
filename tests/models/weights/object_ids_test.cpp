#include "models/weights/object_ids.h"

#include "tests/models/helpers.h"

namespace lamina {
namespace {

TEST(ObjectIds, NumberObjectsInTheOrderInWhichTheyCome) {
  std::mt19937 random(test::fresh_seed());
  const std::size_t count = 1 + random() % 3000;
  const std::vector<double> objects(count);
  models::ObjectIds ids;
  if (random() % 2 == 0) ids.reserve(random() % (2 * count));
  EXPECT_FALSE(ids.find(&objects[0]));
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_FALSE(ids.find(&objects[order[i]]));
    EXPECT_EQ(ids.add(&objects[order[i]]), std::pair(i, true));
    const std::size_t earlier = random() % (i + 1);
    EXPECT_EQ(ids.add(&objects[order[earlier]]), std::pair(earlier, false));
  }
  EXPECT_EQ(ids.size(), count);
  for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(ids.find(&objects[order[i]]), i);
  EXPECT_FALSE(ids.find(&ids));
}

}  // namespace
}  // namespace lamina
