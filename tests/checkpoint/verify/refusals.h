#pragma once
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/verify/verify.h"
#include "tests/checkpoint/trees.h"

namespace lamina::testing {

/// A load of the checkpoint `path` must name the damaged file, and the tensor if any, and leave the
/// model as it was.
inline void expect_refused(const WeightTree& tree, const std::filesystem::path& path,
                           const std::filesystem::path& damaged, const std::string& tensor = {}) {
  const auto model = poisoned_copy(tree);
  const std::vector<Tensor> before = snapshot(model);
  try {
    checkpoint::load(model, path, {});
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr(damaged.filename().string()));
    if (!tensor.empty()) {
      EXPECT_NE(dynamic_cast<const CorruptionError*>(&error), nullptr) << error.what();
      EXPECT_THAT(error.what(), ::testing::HasSubstr("'" + tensor + "' is damaged"));
    }
  }
  EXPECT_TRUE(same_values(snapshot(model), before));
}

/// Lines of a report on a checkpoint that cannot even be opened are its error.
inline std::vector<std::string> problems_of(const std::filesystem::path& path) {
  try {
    return checkpoint::verify(path, {}, storage::posix()).problems;
  } catch (const Error& error) {
    return {error.what()};
  }
}

}  // namespace lamina::testing
