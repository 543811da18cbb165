// The example of a layer of one's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/fakes/program.h"
#include "tests/fakes/temporary_directory.h"

TEST(OwnLayer, LearnsAndIsSaved) {
  const lamina::testing::TemporaryDirectory directory;
  const pid_t run = lamina::testing::start_program(LAMINA_OWN_LAYER, directory.path(), {});
  const lamina::testing::Outcome outcome = lamina::testing::finish_program(directory.path(), run);
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::StartsWith("loss "));
  EXPECT_TRUE(std::filesystem::exists(directory / "own_layer.weights.h5"));
}
