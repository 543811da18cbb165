#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>

#include "checkpoint/background/save_queue.h"
#include "storage/storage.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/cost_of.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fakes/working_directory.h"
#include "tests/fresh_seed.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::CapturedWarnings;
using lamina::testing::memory_directory;
using lamina::testing::TemporaryDirectory;
using lamina::testing::WorkingDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::shared_ptr<Sequential> stack() {
  return Sequential::create({layers::InputLayer({.shape = Shape{8}}), layers::Dense({.units = 16}),
                             layers::Dense({.units = 3})});
}

std::vector<Tensor> values(const Model& model) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : model.variables()) out.push_back(variable->value());
  return out;
}

bool equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), bitwise_equal);
}

/// A directory that is a file, so that every save into it fails.
std::filesystem::path impossible(const TemporaryDirectory& folder) {
  std::ofstream(folder / "file") << "x";
  return folder / "file" / "m.weights.h5";
}

void wait_until_done(const SaveHandle& handle) {
  while (!handle.done()) std::this_thread::yield();
}

TEST(AsyncWeights, HoldTheValuesOfTheCall) {
  Random random;
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack(), loaded = stack();
  random.fill(*model);
  const std::vector<Tensor> expected = values(*model);
  SaveHandle single = model->save_weights_async(folder / "m.weights.h5");
  SaveHandle sharded = model->save_weights_async(folder / "m.weights.json",
                                                 {.save = {.max_shard_size = 600.0 / (1U << 30)}});
  random.fill(*model);
  single.wait();
  sharded.wait();
  for (const char* name : {"m.weights.h5", "m.weights.json"}) {
    random.fill(*loaded);
    loaded->load_weights(folder / name);
    EXPECT_TRUE(equal(values(*loaded), expected)) << name;
  }
}

TEST(AsyncWeights, GoWhereARelativePathLedWhenTheSaveBegan) {
  Random random;
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack(), loaded = stack();
  random.fill(*model);
  std::filesystem::create_directory(folder / "elsewhere");
  const WorkingDirectory here(folder.path());
  auto lock = storage::posix().try_lock(folder / ".m.weights.h5.lock");
  ASSERT_TRUE(lock);
  SaveHandle handle = model->save_weights_async("m.weights.h5");
  const WorkingDirectory there(folder / "elsewhere");
  lock.reset();
  handle.wait();
  EXPECT_THAT(storage::posix().list(folder / "elsewhere"), IsEmpty());
  loaded->load_weights(folder / "m.weights.h5");
  EXPECT_TRUE(equal(values(*loaded), values(*model)));
}

TEST(AsyncWeights, OutliveModelAndHandle) {
  Random random;
  const TemporaryDirectory folder(memory_directory());
  std::vector<Tensor> expected;
  {
    const auto model = stack();
    random.fill(*model);
    expected = values(*model);
    (void)model->save_weights_async(folder / "m.weights.h5");
  }
  (void)checkpoint::save_queue().wait_for_all();
  const auto loaded = stack();
  loaded->load_weights(folder / "m.weights.h5");
  EXPECT_TRUE(equal(values(*loaded), expected));
}

TEST(AsyncWeights, ASaveThatIsWaitedForComesAfterThoseInTheBackground) {
  Random random;
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack(), loaded = stack();
  for (int round = 0; round < 20; ++round) {
    random.fill(*model);
    (void)model->save_weights_async(folder / "m.weights.h5");
    random.fill(*model);
    model->save_weights(folder / "m.weights.h5");
    loaded->load_weights(folder / "m.weights.h5");
    EXPECT_TRUE(equal(values(*loaded), values(*model)));
  }
}

TEST(AsyncWeights, FailuresAreThrownByTheNextSaveOfEitherKind) {
  const TemporaryDirectory folder(memory_directory());
  const auto bad = impossible(folder);
  const auto model = stack();
  CapturedWarnings warnings;
  for (const bool async : {true, false}) {
    SaveHandle handle = model->save_weights_async(bad);
    wait_until_done(handle);
    if (async) {
      EXPECT_THROW((void)model->save_weights_async(folder / "m.weights.h5"), StorageError);
    } else {
      EXPECT_THROW(model->save_weights(folder / "m.weights.h5"), StorageError);
    }
    EXPECT_FALSE(std::filesystem::exists(folder / "m.weights.h5"));
    handle.wait();  // has been thrown
  }
  model->save_weights(folder / "m.weights.h5");
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST(AsyncWeights, AFailureThatWasWaitedForDoesNotComeAgain) {
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack();
  CapturedWarnings warnings;
  SaveHandle handle = model->save_weights_async(impossible(folder));
  EXPECT_THROW(handle.wait(), StorageError);
  model->save_weights(folder / "m.weights.h5");
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST(AsyncWeights, AFailureThatNobodyHearsOfIsWarnedOf) {
  const TemporaryDirectory folder(memory_directory());
  CapturedWarnings warnings;
  auto model = stack();
  SaveHandle handle = model->save_weights_async(impossible(folder));
  wait_until_done(handle);
  // The thread lets go of the save before it takes up this one.
  model = nullptr;
  handle = {};
  stack()->save_weights_async(folder / "m.weights.h5").wait();
  for (int i = 0; i < 1000 && warnings.all.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("nothing waited for it")));
}

TEST(AsyncWeights, WaitUntilCopiedLetsMemoryBeWrittenInto) {
  Random random;
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack(), loaded = stack();
  for (const SnapshotPolicy policy : {SnapshotPolicy::kNone, SnapshotPolicy::kDevice,
                                      SnapshotPolicy::kHost, SnapshotPolicy::kAutomatic}) {
    random.fill(*model);
    std::vector<Tensor> expected;
    for (const Tensor& value : values(*model)) expected.push_back(value.clone());
    SaveHandle handle = model->save_weights_async(folder / "m.weights.h5", {.snapshot = policy});
    model->wait_until_copied();
    for (Tensor value : values(*model)) {
      for (float& x : value.data<float>()) x += 1;
    }
    handle.wait();
    loaded->load_weights(folder / "m.weights.h5");
    EXPECT_TRUE(equal(values(*loaded), expected));
  }
}

TEST(AsyncWeights, WithoutOverwriteTheQuestionComesAfterEarlierSaves) {
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack();
  const AsyncSaveOptions careful{.save = {.overwrite = false}};
  SaveHandle first = model->save_weights_async(folder / "m.weights.h5", careful);
  // No terminal here: an error, at once, though the first save had not been waited for.
  EXPECT_THROW((void)model->save_weights_async(folder / "m.weights.h5", careful), ValueError);
  first.wait();
}

TEST(AsyncWeightsDeathTest, TheEndOfTheProcessWaitsForSaves) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";  // a process of its own
  const char* given = std::getenv("LAMINA_TEST_FOLDER");   // the same in both processes
  const std::filesystem::path folder =
      given != nullptr ? given : (TemporaryDirectory(memory_directory()).path().string() + "-exit");
  ::setenv("LAMINA_TEST_FOLDER", folder.c_str(), 1);
  std::filesystem::create_directories(folder);
  const auto model = Sequential::create(
      {layers::InputLayer({.shape = Shape{1000}}), layers::Dense({.units = 4000})});
  const auto leave = [&] {
    for (int i = 0; i < 3; ++i) {  // 16 MB each
      (void)model->save_weights_async(folder / ("m" + std::to_string(i) + ".weights.h5"));
    }
    std::exit(0);
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0), "");
  for (int i = 0; i < 3; ++i)
    model->load_weights(folder / ("m" + std::to_string(i) + ".weights.h5"));
  EXPECT_EQ(storage::posix().list(folder).size(), 3U);
  std::filesystem::remove_all(folder);
  ::unsetenv("LAMINA_TEST_FOLDER");
}

/// What a device's library does at the end of the process was registered when the device was first
/// used, which may be after the first save.
TEST(AsyncWeightsDeathTest, TheEndOfTheProcessWaitsForADevicesSavesBeforeTheDeviceGoes) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const TemporaryDirectory folder(memory_directory());
  static std::filesystem::path made;
  made = folder.path();
  const auto leave = [&] {
    std::atexit([] { std::filesystem::remove_all(made); });
    stack()->save_weights_async(folder / "first.weights.h5").wait();
    static lamina::testing::FakeGpu& gpu =
        *new lamina::testing::FakeGpu({.seed = lamina::test::fresh_seed()}, {2, 1 << 20});
    (void)gpu;
    std::atexit([] {  // the device goes
      if (!checkpoint::save_queue().wait_for_all()) return;
      std::filesystem::remove_all(made);
      std::_Exit(3);
    });
    const auto model = Sequential::create(
        {layers::InputLayer({.shape = Shape{1000}}), layers::Dense({.units = 4000})});
    model->to(Device::cuda());
    for (int i = 0; i < 3; ++i) {  // 16 MB each
      (void)model->save_weights_async(folder / ("m" + std::to_string(i) + ".weights.h5"));
    }
    std::exit(0);
  };
  EXPECT_EXIT(leave(), ::testing::ExitedWithCode(0), "");
}

struct Resources {
  std::size_t threads, descriptors, files;
  double megabytes;
};

Resources resources(const std::filesystem::path& folder) {
  const auto entries = [](const std::filesystem::path& path) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  };
  return {entries("/proc/self/task"), entries("/proc/self/fd"), entries(folder),
          testing::resident_megabytes("VmRSS:")};
}

TEST(AsyncWeights, AThousandSavesInARowGrowNothing) {
  const TemporaryDirectory folder(memory_directory());
  const auto model = stack();
  const auto save = [&](int i) {
    SaveHandle handle = model->save_weights_async(folder / "m.weights.h5");
    if (i % 3 == 0) handle.cancel();
    if (i % 5 != 0) return;  // the others are let go of
    try {
      handle.wait();
    } catch (const CancelledError&) {
    }
  };
  for (int i = 0; i < 100; ++i) save(i);
  model->save_weights(folder / "m.weights.h5");
  const Resources before = resources(folder.path());
  for (int i = 0; i < 1000; ++i) save(i);
  model->save_weights(folder / "m.weights.h5");
  const Resources after = resources(folder.path());
  EXPECT_LE(after.threads, before.threads + 1);  // the second of two, if it had not been needed
  EXPECT_LE(after.threads, 1U + 2U + 16U);       // OpenMP's included
  EXPECT_LE(after.descriptors, before.descriptors);
  EXPECT_EQ(after.files, 1U);
  EXPECT_LE(after.megabytes, before.megabytes + testing::kHeapNoise);
}

}  // namespace
}  // namespace lamina
