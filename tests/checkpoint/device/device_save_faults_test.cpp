// The n-th call of the runtime or of the storage fails, for every n, while a tree on a device is
// saved or loaded.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/save/save_job.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr Device kGpu = Device::cuda(0);
constexpr char kStatus[] = "cudaErrorIllegalAddress";

struct Way {
  const char* name;
  bool sharded;
  SnapshotPolicy policy;
  FakeRuntime::Fault fault;
};

class DeviceSaveFaults : public ::testing::TestWithParam<Way> {
 protected:
  DeviceSaveFaults()
      : path_(directory_ / (GetParam().sharded ? "m.weights.json" : "m.weights.h5")) {
    TreeBuilder builder;
    for (const char* name : {"a", "b", "c"}) {
      builder.layer(std::string("layers/") + name, name,
                    {random_tensor(random_, {1500}, DType::kFloat32),
                     random_tensor(random_, {3}, DType::kFloat16)});
    }
    old_ = builder.tree;
    new_ = poisoned_copy(builder.tree);
    for (const weights::WeightTree* tree : {&old_, &new_}) {
      for (const auto& node : tree->nodes) {
        for (const auto& [key, variable] : node.variables) {
          variable->assign(random_tensor(random_, variable->shape(), variable->dtype()));
          variable->to(kGpu);
        }
      }
    }
    save(old_);  // makes the ring and the stream that stay
  }

  SaveRequest request() const {
    SaveRequest out;
    if (GetParam().sharded) out.max_shard_size = 7000.0 / (1U << 30);
    return out;
  }
  void save(const weights::WeightTree& tree, storage::Storage& storage = storage::posix()) {
    std::optional<SaveJob> job = begin_save(TreePtr(TreePtr(), &tree), path_, request(), storage);
    job->snapshot = GetParam().policy;
    SaveState state(path_);
    run_save(*job, storage, state);
  }
  bool holds(const weights::WeightTree& tree) {
    const auto copy = poisoned_copy(tree);
    load(copy, path_, {});
    return same_values(snapshot(copy), snapshot(tree));
  }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }
  /// After a failure: the old checkpoint and nothing else, on disk and on the device; and the next
  /// save works.
  void expect_recovery(const std::vector<std::string>& old_files, int live) {
    EXPECT_LE(gpu_->live(), live);  // a stream that failed is not kept
    EXPECT_THAT(files(), ElementsAreArray(old_files));
    EXPECT_TRUE(holds(old_));
    save(new_);
    EXPECT_TRUE(holds(new_));
    save(old_);
    if (!live_then_) live_then_ = gpu_->live();
    EXPECT_LE(gpu_->live(), *live_then_) << "what failed left something";
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  FakeGpu gpu_{{.seed = seed_}};
  TemporaryDirectory directory_{memory_directory()};
  std::filesystem::path path_;
  weights::WeightTree old_, new_;
  std::optional<int> live_then_;  ///< after the first recovery, which makes whatever is kept
};

TEST_P(DeviceSaveFaults, OfTheRuntimeWhileSavingLeaveTheOldCheckpoint) {
  const auto old_files = files();
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const int live = gpu_->live();
    gpu_->fail_at(n, kStatus, GetParam().fault);
    bool whole = false;
    try {
      save(new_);
      whole = true;
    } catch (const DeviceError& error) {
      ++failed;
      EXPECT_EQ(error.status(), kStatus);
      EXPECT_THAT(error.what(), HasSubstr(kStatus));
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
    }
    EXPECT_EQ(whole, gpu_->calls() <= n) << "a failure was swallowed";
    gpu_->fail_never();
    if (whole) break;
    expect_recovery(old_files, live);
  }
  EXPECT_TRUE(holds(new_));
  EXPECT_GE(failed, 10U);
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_P(DeviceSaveFaults, OfTheStorageWhileSavingLeaveTheOldCheckpoint) {
  const auto old_files = files();
  FaultyStorage storage;
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const CapturedWarnings warnings;
    const int live = gpu_->live();
    const std::size_t before = storage.faults();
    storage.fail_at(n, false, n % 2 == 0 ? EIO : ENOSPC);
    bool thrown = false;
    try {
      save(new_, storage);
    } catch (const StorageError& error) {
      thrown = true;
      EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      EXPECT_THAT(error.what(), HasSubstr(directory_.path().string()));
    }
    const bool reached = storage.faults() > before;
    storage.fail_never();
    if (!reached) break;
    if (!thrown) {  // it struck the cleaning up, which tries again
      EXPECT_TRUE(holds(new_));
      save(old_);
      continue;
    }
    ++failed;
    expect_recovery(old_files, live);
  }
  EXPECT_GE(failed, 8U);
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_P(DeviceSaveFaults, OfTheRuntimeWhileLoadingLeaveTheModel) {
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const auto before = snapshot(new_);
    const int live = gpu_->live();
    gpu_->fail_at(n, kStatus, GetParam().fault);
    bool whole = false;
    try {
      load(new_, path_, {});
      whole = true;
    } catch (const DeviceError& error) {
      ++failed;
      EXPECT_EQ(error.status(), kStatus);
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
    }
    EXPECT_EQ(whole, gpu_->calls() <= n) << "a failure was swallowed";
    gpu_->fail_never();
    EXPECT_LE(gpu_->live(), live);  // a stream that failed is not kept
    if (whole) break;
    EXPECT_TRUE(same_values(snapshot(new_), before));
  }
  EXPECT_TRUE(same_values(snapshot(new_), snapshot(old_)));
  EXPECT_GE(failed, 10U);
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_P(DeviceSaveFaults, OfTheStorageWhileLoadingLeaveTheModel) {
  FaultyStorage storage;
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const auto before = snapshot(new_);
    const int live = gpu_->live();
    storage.fail_at(n);
    bool whole = false;
    try {
      load(new_, path_, {}, storage);
      whole = true;
    } catch (const StorageError& error) {
      ++failed;
      EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      EXPECT_THAT(error.what(), HasSubstr(directory_.path().string()));
    }
    EXPECT_EQ(gpu_->live(), live);
    if (whole) break;
    EXPECT_TRUE(same_values(snapshot(new_), before));
  }
  EXPECT_GE(failed, 3U);
}

using Fault = FakeRuntime::Fault;

INSTANTIATE_TEST_SUITE_P(
    Each, DeviceSaveFaults,
    ::testing::Values(Way{"Single", false, SnapshotPolicy::kNone, Fault::kNow},
                      Way{"SingleLater", false, SnapshotPolicy::kNone, Fault::kLater},
                      Way{"Sharded", true, SnapshotPolicy::kNone, Fault::kNow},
                      Way{"ShardedLater", true, SnapshotPolicy::kNone, Fault::kLater},
                      Way{"DeviceCopy", true, SnapshotPolicy::kDevice, Fault::kNow},
                      Way{"DeviceCopyLater", true, SnapshotPolicy::kDevice, Fault::kLater},
                      Way{"HostCopy", true, SnapshotPolicy::kHost, Fault::kNow},
                      Way{"HostCopyLater", true, SnapshotPolicy::kHost, Fault::kLater}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace lamina::checkpoint
