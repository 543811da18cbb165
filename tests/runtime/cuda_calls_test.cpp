// What of CUDA's runtime can be seen without a GPU: functions of the host, and what each call says
// where there is no device.
#include <gmock/gmock.h>
#include <lamina/error.h>

#ifdef LAMINA_HAVE_CUDA
#include "kernels/launch.h"
#include "runtime/cuda/cuda_call.h"
#include "runtime/cuda/cuda_memory.h"
#include "runtime/cuda/cuda_runtime.h"
#include "runtime/cuda/cuda_stream.h"

namespace lamina::runtime {
namespace {

using ::testing::HasSubstr;

TEST(HostCalls, CallOnceAndForget) {
  HostCalls calls;
  int called = 0;
  const auto captured = std::make_shared<int>(7);
  HostCalls::Entry& entry = calls.add([&called, captured] { called += *captured; });
  EXPECT_EQ(captured.use_count(), 2);
  calls.run(entry);
  EXPECT_EQ(called, 7);
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_NO_THROW(calls.rethrow());
}

TEST(HostCalls, KeepTheFirstFailureAndDoNothingAfterIt) {
  HostCalls calls;
  bool called = false;
  HostCalls::Entry& first = calls.add([] { throw ValueError("the first"); });
  HostCalls::Entry& second = calls.add([&] { called = true; });
  calls.run(first);
  calls.run(second);
  EXPECT_FALSE(called);
  for (int i = 0; i < 2; ++i) {
    try {
      calls.rethrow();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr("the first"));
    }
  }
}

TEST(HostCalls, ReleaseWhatWasNeverCalled) {
  const auto captured = std::make_shared<int>(7);
  {
    HostCalls calls;
    (void)calls.add([captured] {});
    HostCalls::Entry& removed = calls.add([captured] {});
    EXPECT_EQ(captured.use_count(), 3);
    calls.remove(removed);
    EXPECT_EQ(captured.use_count(), 2);
  }
  EXPECT_EQ(captured.use_count(), 1);
}

class WithoutDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CudaRuntime::device_count() > 0) GTEST_SKIP() << "there is a GPU here";
  }
  template <class F>
  static void expect_error_of(const char* call, F&& f) {
    try {
      f();
      ADD_FAILURE() << call << " did not fail";
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.call(), call);
      EXPECT_THAT(error.status(), HasSubstr("cudaError"));
      EXPECT_THAT(error.what(), HasSubstr(error.status()));
    }
  }
};

TEST_F(WithoutDevice, EachCallSaysWhichItWas) {
  expect_error_of("cudaSetDevice", [] { const CudaRuntime runtime(0); });
  expect_error_of("cudaStreamCreateWithFlags", [] { const CudaStream stream(0); });
  expect_error_of("cudaEventCreateWithFlags", [] { const CudaEvent event(0); });
  expect_error_of("cudaHostRegister", [] { const CudaPinnedMemory memory(100, 0); });
  expect_error_of("cudaMallocAsync", [] { (void)CudaDeviceMemory::allocate(100, 0, nullptr); });
}

TEST_F(WithoutDevice, CudaIsNotThereYetAndHasNotGone) {
  EXPECT_FALSE(cuda_has_gone());
}

TEST_F(WithoutDevice, AFailedLaunchIsAnErrorAndHurtsNobody) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    float x = 1, y = 2;
    const kernels::UnaryJob job{DType::kFloat32, {kernels::UnaryKind::kTanh, 0, 0, 0}, &x, &y, 1};
    expect_error_of("The launch of a kernel",
                    [&] { check_cuda(kernels::launch(job, nullptr), "The launch of a kernel"); });
    EXPECT_EQ(y, 2);
  }
}

TEST_F(WithoutDevice, ADtypeThatAKernelLacksIsAnErrorToo) {
  const kernels::UnaryJob job{DType::kInt32, {}, nullptr, nullptr, 1};
  expect_error_of("The launch of a kernel",
                  [&] { check_cuda(kernels::launch(job, nullptr), "The launch of a kernel"); });
}

}  // namespace
}  // namespace lamina::runtime

#endif
