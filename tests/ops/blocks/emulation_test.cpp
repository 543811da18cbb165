// What a GPU would do wrong in silence, or at times, with faulty kernels: blocks on the host say
// so.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cub/block/block_reduce.cuh>
#include <string>
#include <vector>

#include "kernels/shared.cuh"
#include "kernels/start.cuh"

namespace lamina::testing {
namespace {

constexpr int kThreads = 256;

template <class... P, class... A>
cudaError_t start(dim3 grid, void (*kernel)(P...), const A&... arguments) {
  return kernels::start<kThreads>(kernel, grid, nullptr, arguments...);
}

/// What it says of `kernel` in a few blocks.
template <class... P, class... A>
std::string fault_of(void (*kernel)(P...), const A&... arguments) {
  try {
    EXPECT_EQ(start(dim3(2, 3), kernel, arguments...), cudaSuccess);
    return "none";
  } catch (const std::logic_error& error) {
    return error.what();
  }
}

int me() {
  return static_cast<int>(threadIdx.x);
}

__global__ void mirror(bool wait, int* out) {
  __shared__ kernels::Shared<int, kThreads> all;
  all.set(me(), me());
  if (wait) __syncthreads();
  const int other = all.get(kThreads - 1 - me());
  if (blockIdx.x == 0 && blockIdx.y == 0) out[me()] = other;
}

TEST(Blocks, SayWhereABarrierIsMissingBeforeARead) {
  std::vector<int> out(kThreads, -1);
  EXPECT_EQ(fault_of(mirror, true, out.data()), "none");
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], kThreads - 1 - i);
  for (int again = 0; again < 5; ++again) {
    // Whoever comes first: it reads what none has written, or what another has.
    EXPECT_NE(fault_of(mirror, false, out.data()).find("reads shared memory that"),
              std::string::npos);
  }
  EXPECT_EQ(fault_of(mirror, true, out.data()), "none") << "after blocks that were abandoned";
}

__global__ void rounds(bool wait, int count) {
  __shared__ kernels::Shared<int, kThreads> all;
  for (int round = 0; round < count; ++round) {
    all.set(me(), round);
    __syncthreads();
    (void)all.get((me() + 1) % kThreads);
    if (wait) __syncthreads();
  }
}

TEST(Blocks, SayWhereABarrierIsMissingBeforeMemoryIsUsedAgain) {
  EXPECT_EQ(fault_of(rounds, true, 3), "none");
  EXPECT_EQ(fault_of(rounds, false, 1), "none");
  for (int again = 0; again < 5; ++again) {
    EXPECT_NE(fault_of(rounds, false, 2).find("no barrier lies between"), std::string::npos);
  }
}

__global__ void leftovers(bool write) {
  __shared__ kernels::Shared<int, 1> one;
  if (write && threadIdx.x == 7) one.set(0, 1);
  __syncthreads();
  (void)one.get(0);
}

TEST(Blocks, KnowNothingOfTheSharedMemoryOfOthers) {
  EXPECT_EQ(fault_of(leftovers, true), "none");
  EXPECT_NE(fault_of(leftovers, false).find("that none has written"), std::string::npos);
}

__global__ void two_barriers(int to_one) {
  if (me() < to_one) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void some_wait(int count) {
  if (me() < count) __syncthreads();
}

TEST(Blocks, MeetAtOneBarrier) {
  EXPECT_EQ(fault_of(two_barriers, 0), "none");
  EXPECT_EQ(fault_of(two_barriers, kThreads), "none");
  EXPECT_NE(fault_of(two_barriers, 1).find("wait at"), std::string::npos);
  EXPECT_EQ(fault_of(some_wait, 0), "none");
  EXPECT_EQ(fault_of(some_wait, kThreads), "none");
  EXPECT_NE(fault_of(some_wait, kThreads - 1).find("that have ended"), std::string::npos);
}

__global__ void sums(bool wait, std::array<double, 2>* out) {
  using Reduce = cub::BlockReduce<double, kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  const auto add = [](double a, double b) { return a + b; };
  const double first = Reduce(storage).Reduce(me(), add);
  if (wait) __syncthreads();
  const double second = Reduce(storage).Reduce(1, add);
  out[me()] = {first, second};
}

TEST(Blocks, GiveSumsToTheirFirstThreadAlone) {
  std::vector<std::array<double, 2>> out(kThreads);
  EXPECT_EQ(fault_of(sums, true, out.data()), "none");
  EXPECT_EQ(out[0], (std::array<double, 2>{kThreads * (kThreads - 1) / 2, kThreads}));
  for (std::size_t i = 1; i < kThreads; ++i) EXPECT_TRUE(std::isnan(out[i][0])) << i;
  EXPECT_NE(fault_of(sums, false, out.data()).find("no barrier lies between"), std::string::npos);
}

__global__ void fills(int count) {
  __shared__ kernels::Shared<std::array<char, 100>, 1000> all;
  for (int i = me(); i < count; i += kThreads) all.set(i, {});
}

TEST(Blocks, HaveSoMuchSharedMemoryAndNoMore) {
  EXPECT_EQ(fault_of(fills, (48 << 10) / 100), "none");
  EXPECT_NE(fault_of(fills, (48 << 10) / 100 + 1).find("than a block has"), std::string::npos);
}

__global__ void counts(int* out) {
  ++out[(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x];
}

TEST(Blocks, RunEachThreadOfEachBlockOfALegalGrid) {
  std::vector<int> out(2 * 3 * 4, 0);
  EXPECT_EQ(start(dim3(4, 3, 2), counts, out.data()), cudaSuccess);
  EXPECT_EQ(out, std::vector<int>(24, kThreads));
  for (const dim3 grid : {dim3(0), dim3(1, 0), dim3(1, 1, 0), dim3(1, 65536), dim3(1, 1, 65536),
                          dim3(std::uint32_t{1} << 31)}) {
    EXPECT_EQ(start(grid, counts, out.data()), cudaErrorInvalidConfiguration);
  }
  EXPECT_EQ(kernels::start<1025>(counts, dim3(1), nullptr, out.data()),
            cudaErrorInvalidConfiguration);
  EXPECT_EQ(out, std::vector<int>(24, kThreads));
}

}  // namespace
}  // namespace lamina::testing
