// What the double of CUDA's runtime refuses: as much as CUDA does, or the tests above it prove
// nothing.
#include <gmock/gmock.h>

#include <array>
#include <future>
#include <vector>

#include "cuda_double.h"

namespace lamina::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class F>
cudaError_t on_a_new_thread(const F& call) {
  return std::async(std::launch::async, [&]() -> cudaError_t { return call(); }).get();
}

class Double : public ::testing::Test {
 protected:
  static constexpr std::size_t kSize = 64;

  void SetUp() override {
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventBlockingSync), cudaSuccess);
    ASSERT_EQ(cudaMallocAsync(&memory_, kSize, other_), cudaSuccess);
    ASSERT_EQ(cudaHostRegister(host_.data(), kSize, cudaHostRegisterPortable), cudaSuccess);
  }
  void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeThreadLocal) {
    ASSERT_EQ(cudaStreamBeginCapture(stream_, mode), cudaSuccess);
  }
  [[nodiscard]] cudaError_t copy(std::size_t size = kSize) {
    return cudaMemcpyAsync(memory_, host_.data(), size, cudaMemcpyDefault, stream_);
  }
  [[nodiscard]] cudaError_t batch(std::vector<void*> to, std::vector<const void*> from,
                                  std::vector<std::size_t> sizes) {
    cudaMemcpyAttributes attributes{cudaMemcpySrcAccessOrderStream};
    std::size_t first = 0;
    return cudaMemcpyBatchAsync(to.data(), from.data(), sizes.data(), sizes.size(), &attributes,
                                &first, 1, stream_);
  }
  /// A graph of one copy.
  void instantiate() {
    begin();
    ASSERT_EQ(copy(), cudaSuccess);
    ASSERT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&ready_, graph_, 0), cudaSuccess);
  }

  const CudaDouble cuda_{2};
  cudaStream_t stream_ = nullptr, other_ = nullptr;
  cudaEvent_t event_ = nullptr;
  void* memory_ = nullptr;
  std::array<std::byte, kSize> host_{};
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t ready_ = nullptr;
};

TEST_F(Double, SpoilsARecordingByWhatItsThreadMustNotDo) {
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return cudaStreamSynchronize(other_); },
      [&] { return cudaStreamSynchronize(stream_); },
      [&] { return cudaEventQuery(event_); },
      [&] { return cudaEventSynchronize(event_); },
      [&] { return cudaEventRecord(event_, stream_); },
      [&] { return cudaHostUnregister(host_.data()); },
      [&] { return cudaFreeAsync(memory_, other_); },
      [&] { return cudaStreamDestroy(other_); },
      [&] {
        void* more = nullptr;
        return cudaMallocAsync(&more, 1, other_);
      },
      [&] { return batch({memory_}, {host_.data()}, {1}); }};
  for (const auto& call : calls) {
    begin();
    EXPECT_EQ(copy(), cudaSuccess);
    EXPECT_EQ(call(), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(copy(), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph_, nullptr);
    EXPECT_EQ(copy(), cudaSuccess);
  }
  EXPECT_EQ(cuda_.refused().size(), 2 * calls.size());
}

TEST_F(Double, SpoilsARecordingThatWaitsForWhatLiesOutside) {
  ASSERT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  begin();
  EXPECT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaErrorStreamCaptureInvalidated);
}

TEST_F(Double, KeepsOtherThreadsFromTheStreamThatOneRecords) {
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return copy(); }, [&] { return cudaStreamSynchronize(stream_); },
      [&] { return cudaEventRecord(event_, stream_); }};
  for (const auto& call : calls) {
    begin();
    EXPECT_EQ(on_a_new_thread(call), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaErrorStreamCaptureInvalidated);
  }
}

TEST_F(Double, LetsOtherThreadsDoAsTheyPleaseUnlessOneRecordsInGlobalMode) {
  const auto wait = [&] { return cudaStreamSynchronize(other_); };
  begin();
  EXPECT_EQ(on_a_new_thread(wait), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaSuccess);
  begin(cudaStreamCaptureModeGlobal);
  EXPECT_EQ(on_a_new_thread(wait), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaErrorStreamCaptureInvalidated);
}

TEST_F(Double, EndsARecordingWhereItBegan) {
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaErrorIllegalState);
  begin();
  EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
            cudaErrorIllegalState);
  EXPECT_EQ(on_a_new_thread([&] { return cudaStreamEndCapture(stream_, &graph_); }),
            cudaErrorStreamCaptureWrongThread);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph_), cudaSuccess);
}

TEST_F(Double, LaunchesNoGraphOfMemoryThatHasGone) {
  instantiate();
  host_.fill(std::byte{7});
  EXPECT_EQ(cudaGraphLaunch(ready_, stream_), cudaSuccess);
  EXPECT_EQ(*static_cast<std::byte*>(memory_), std::byte{7});
  EXPECT_EQ(cuda_.launched_graphs(), 1U);
  ASSERT_EQ(cudaHostUnregister(host_.data()), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(ready_, stream_), cudaErrorIllegalAddress);
  ASSERT_EQ(cudaHostRegister(host_.data(), kSize, cudaHostRegisterPortable), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(ready_, stream_), cudaErrorIllegalAddress);  // it is another's
  EXPECT_EQ(cuda_.launched_graphs(), 1U);
}

TEST_F(Double, TellsKindsOfMemoryApart) {
  EXPECT_EQ(cudaFreeAsync(host_.data(), stream_), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaHostUnregister(memory_), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaHostRegister(host_.data() + 1, 1, cudaHostRegisterPortable),
            cudaErrorHostMemoryAlreadyRegistered);
  EXPECT_EQ(copy(kSize + 1), cudaErrorInvalidValue);
  void* none = nullptr;
  EXPECT_EQ(cudaMallocAsync(&none, 0, stream_), cudaErrorInvalidValue);
}

TEST_F(Double, TakesNoBatchThatCudaMustNotBeGiven) {
  auto* const to = static_cast<std::byte*>(memory_);
  EXPECT_EQ(batch({to, to + 8}, {host_.data(), host_.data() + 8}, {8, 8}), cudaSuccess);
  EXPECT_THAT(cuda_.refused(), IsEmpty());
  EXPECT_EQ(batch({}, {}, {}), cudaErrorInvalidValue);
  EXPECT_EQ(batch({to, to + 8}, {host_.data(), host_.data() + 8}, {8, 0}), cudaErrorInvalidValue);
  EXPECT_EQ(batch({to, to + 7}, {host_.data(), host_.data() + 8}, {8, 8}), cudaErrorInvalidValue);
  EXPECT_EQ(batch({to, to + 8}, {host_.data(), to}, {8, 8}), cudaErrorInvalidValue);
  EXPECT_THAT(cuda_.refused(), ElementsAre(HasSubstr("of nothing"), HasSubstr("an empty copy"),
                                           HasSubstr("overlap"), HasSubstr("overlap")));
}

TEST_F(Double, HasTimesOnlyOfEventsThatWereRecorded) {
  cudaEvent_t timeless = nullptr;
  float milliseconds = 0;
  ASSERT_EQ(cudaEventCreateWithFlags(&timeless, cudaEventDisableTiming), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, event_), cudaErrorInvalidResourceHandle);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(timeless, stream_), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, event_), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, timeless), cudaErrorInvalidResourceHandle);
}

TEST_F(Double, RefusesAnEventOfAnotherDevice) {
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  cudaEvent_t of_another = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&of_another, 0), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(of_another, stream_), cudaErrorInvalidDevice);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(of_another, stream_), cudaErrorInvalidDevice);
}

}  // namespace
}  // namespace lamina::testing
