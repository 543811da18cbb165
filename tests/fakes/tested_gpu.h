#pragma once
#include <gtest/gtest.h>

#include "runtime/runtimes.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/gpu/device.h"

namespace lamina::testing {

/// Suites that hold on any GPU are compiled into two programs: that of their folder, where the GPU
/// is the fake one, and test_gpu, where it is the machine's own.
#ifdef LAMINA_REAL_GPU
inline constexpr bool kRealGpu = true;
#else
inline constexpr bool kRealGpu = false;
#endif

/// Skips a test of such a suite where its GPU is not there.
#define LAMINA_NEED_TESTED_GPU() \
  if (lamina::testing::kRealGpu) LAMINA_NEED_GPU()

/// Nothing where the runtime is not the fake one.
inline FakeRuntime* as_fake(runtime::Runtime& runtime) {
  return dynamic_cast<FakeRuntime*>(&runtime);
}

/// What the fake one alone can tell: that all was ordered.
inline void expect_order(runtime::Runtime& runtime) {
  if (auto* const fake = as_fake(runtime)) {
    EXPECT_EQ(fake->disorders(), std::vector<std::string>{});
  }
}

/// The GPU of such a suite, behind Device::cuda(0) and with a ring of the test's own for as long as
/// this lives. The options are the fake one's.
class TestedGpu {
 public:
  explicit TestedGpu(const FakeOptions& fake = {},
                     const runtime::PinnedRing::Options& ring = {2, 4096})
      : runtime_(make(fake)), gpus_({runtime_}, ring) {}

  runtime::Runtime& operator*() const { return *runtime_; }

  void expect_order() const { testing::expect_order(*runtime_); }
  /// Likewise the fake one alone: that all its memory was given back.
  void expect_unused() const {
    if (const auto* const fake = as_fake(*runtime_)) {
      EXPECT_EQ(fake->used(), 0U);
    }
  }

 private:
  static std::shared_ptr<runtime::Runtime> make(const FakeOptions& fake) {
    if (kRealGpu) return runtime::make_runtime(Device::cuda());
    return std::make_shared<FakeRuntime>(fake);
  }

  std::shared_ptr<runtime::Runtime> runtime_;
  FakeGpus gpus_;
};

}  // namespace lamina::testing
