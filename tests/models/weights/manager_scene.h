#pragma once
#include <gtest/gtest.h>

#include <fstream>

#include "h5/read/reader.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/models/helpers.h"
#include "tests/models/weights/testing_checkpoint_manager.h"

namespace lamina::test {

inline std::shared_ptr<Sequential> small_model() {
  return Sequential::create({layers::InputLayer({.shape = Shape{4}}), layers::Dense({.units = 3}),
                             layers::Dense({.units = 2})});
}

/// A model, and managers of its checkpoints in a directory "run": of single files, or of shards.
class ManagerScene : public ::testing::TestWithParam<bool> {
 protected:
  bool names_change_places() {
    for (const char* name : {"a", "b"}) std::filesystem::create_directory(directory_ / name);
    return storage::posix().exchange(directory_ / "a", directory_ / "b");
  }
  CheckpointManagerOptions options(std::size_t max_to_keep = 5, std::int64_t keep_every_n = 0) {
    return options_of(GetParam(), max_to_keep, keep_every_n);
  }
  CheckpointManagerOptions options_of(bool sharded, std::size_t max_to_keep = 5,
                                      std::int64_t keep_every_n = 0) {
    CheckpointManagerOptions out;
    out.directory = directory_ / "run";
    out.max_to_keep = max_to_keep;
    out.keep_every_n = keep_every_n;
    if (sharded) {
      out.file_name = "model.weights.json";
      out.save.save.max_shard_size = 70.0 / (1U << 30);
    }
    return out;
  }
  /// Weights that tell which step they are of.
  void set(float step) { set(*model_, step); }
  static void set(const Model& model, float step) {
    for (const VariablePtr& v : model.variables()) {
      std::vector<float> values(static_cast<std::size_t>(v->shape().size()), step);
      v->assign(Tensor::from(values, v->shape()));
    }
  }
  ::testing::AssertionResult holds(float step) {
    for (const VariablePtr& v : model_->variables()) {
      for (const float x : v->value().data<float>()) {
        if (x != step) return ::testing::AssertionFailure() << x << " where " << step << " belongs";
      }
    }
    return ::testing::AssertionSuccess();
  }
  void save(CheckpointManager& manager, std::int64_t step) {
    set(static_cast<float>(step));
    manager.save(step, *model_);
  }
  std::vector<std::string> files() { return storage::posix().list(directory_ / "run"); }
  /// Cuts off the second half of a file of the checkpoint.
  void damage(const CheckpointManager& manager, std::int64_t step) {
    std::filesystem::path file = manager.path(step);
    if (GetParam()) file = file.parent_path() / "model_00000.weights.h5";
    std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  }

  /// Flips one bit of a tensor, which leaves a file that can be read.
  void flip(const CheckpointManager& manager, std::int64_t step) {
    std::filesystem::path path = manager.path(step);
    if (GetParam()) path = path.parent_path() / "model_00000.weights.h5";
    std::uint64_t offset = 0;
    {
      const h5::Reader reader(storage::posix().open(path));
      offset = *reader.find("/layers/dense/vars")->datasets.at("0").offset;
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 1));
  }

  testing::TemporaryDirectory directory_{testing::memory_directory()};
  std::shared_ptr<Sequential> model_ = small_model();
};

}  // namespace lamina::test
