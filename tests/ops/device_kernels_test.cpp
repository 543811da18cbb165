// What single jobs of the device's kernels promise beyond the contract: the same bits in whatever
// order threads come, those of the CPU where a run must be able to move, and no more work than
// there is.
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "contract.h"
#include "core/compute_dtype.h"
#include "ops/cuda/host_engine.h"
#include "ops/dropout_mask.h"
#include "ops/jobs/layouts.h"
#include "ops/jobs/run_on_host.h"
#include "run_in_blocks.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

constexpr DType kFloats[] = {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16};

using RunJob = void (*)(const kernels::Job&);
constexpr RunJob kWays[] = {jobs::run_on_host, run_in_blocks};

Tensor poisoned(const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape, dtype);
  std::fill(out.bytes().begin(), out.bytes().end(), std::byte{0xff});
  return out;
}

/// Ids, which may name no row, and the gradients that they gather.
struct Gathered {
  std::int64_t rows;
  std::vector<std::int64_t> ids;
  Tensor dy;
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(ids.size()); }
  [[nodiscard]] std::int64_t width() const { return dy.shape()[1]; }
};

Tensor sums_of(const Gathered& given, RunJob run) {
  const DType dtype = given.dy.dtype();
  Tensor out = poisoned({given.rows, given.width()}, dtype);
  Tensor sorted = poisoned({2 * given.count(), 2}, DType::kInt64);
  Tensor open = poisoned({kernels::GatherGradientJob::open_sums(given.count(), given.width()) + 1},
                         core::compute_dtype(dtype));
  kernels::GatherGradientJob job{};
  job.dtype = dtype;
  job.ids = {DType::kInt64, given.ids.data(), given.rows};
  job.dy = given.dy.raw();
  job.y = out.raw();
  job.sorted = reinterpret_cast<kernels::Placed*>(sorted.raw());
  job.open = open.raw();
  job.count = given.count();
  job.width = given.width();
  run(job);
  const auto guard = open.bytes().last(dtype_size(open.dtype()));
  EXPECT_TRUE(std::all_of(guard.begin(), guard.end(), [](auto byte) {
    return byte == std::byte{0xff};
  })) << "written behind the open sums";
  return out;
}

/// As many ids as fill no, some or all of a stretch; a few of them common, as in a text.
Gathered random_gathered(Random& random, DType dtype) {
  Gathered out{.rows = one_of<std::int64_t>(random, {1, 2, 40, 5000}), .ids = {}, .dy = {}};
  const std::int64_t count =
      one_of<std::int64_t>(random, {1, 15, 16, 17, 32, 33, 64, pick(random, 1, 1500)});
  const bool refuses = pick(random, 0, 2) == 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool common = pick(random, 0, 1) == 0;
    std::int64_t id = common ? out.rows / 2 : pick(random, 0, out.rows - 1);
    if (refuses && pick(random, 0, 3) == 0) id = one_of<std::int64_t>(random, {-1, out.rows});
    out.ids.push_back(id);
  }
  out.dy = random_tensor({count, pick(random, 1, 9)}, dtype, random);
  return out;
}

/// Each row's sum in double, in the order of the ids.
std::vector<double> expected_sums(const Gathered& given) {
  const Tensor dy = given.dy.cast(DType::kFloat64);
  std::vector<double> out(static_cast<std::size_t>(given.rows * given.width()), 0.0);
  for (std::int64_t i = 0; i < given.count(); ++i) {
    const std::int64_t id = given.ids[static_cast<std::size_t>(i)];
    if (id < 0 || id >= given.rows) continue;
    for (std::int64_t k = 0; k < given.width(); ++k) {
      out[static_cast<std::size_t>(id * given.width() + k)] +=
          dy.data<double>()[static_cast<std::size_t>(i * given.width() + k)];
    }
  }
  return out;
}

void expect_exactly(const Tensor& got, const Gathered& given) {
  const Tensor y = got.cast(DType::kFloat64);
  const std::vector<double> wanted = expected_sums(given);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(y.data<double>()[i], wanted[i])
        << "element " << i << " of " << given.rows << " rows of " << given.width() << ", "
        << given.count() << " ids";
  }
}

TEST(GatherGradientKernel, SumsEachRowOnceWhateverTheIds) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    Gathered given = random_gathered(random, one_of<DType>(random, {kFloats[0], kFloats[1]}));
    // Whole numbers, whose sums are exact in any order.
    given.dy = random_tensor(given.dy.shape(), DType::kInt8, random).cast(given.dy.dtype());
    for (const RunJob run : kWays) expect_exactly(sums_of(given, run), given);
  }
}

TEST(GatherGradientKernel, GivesTheSameBitsInWhateverOrderThreadsCome) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const DType dtype : kFloats) {
    for (int i = 0; i < 8; ++i) {
      const Gathered given = random_gathered(random, dtype);
      const Tensor first = sums_of(given, jobs::run_on_host);
      for (int again = 0; again < 2; ++again) {
        EXPECT_TRUE(bitwise_equal(sums_of(given, run_in_blocks), first))
            << dtype_name(dtype) << ", " << given.count() << " ids of " << given.rows << " rows";
      }
    }
  }
}

/// By the square of their number these would take minutes.
TEST(GatherGradientKernel, TakesManyIdsInLittleTime) {
  Random random(lamina::test::fresh_seed());
  const std::int64_t count = 400'000;
  for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{1000}, std::int64_t{300'000}}) {
    Gathered given{.rows = rows, .ids = {}, .dy = {}};
    for (std::int64_t i = 0; i < count; ++i) given.ids.push_back(pick(random, 0, rows - 1));
    given.dy = random_tensor({count, 1}, DType::kInt8, random).cast(DType::kFloat64);
    expect_exactly(sums_of(given, jobs::run_on_host), given);
  }
}

/// Neither the threads that add nor the sums that one of them puts together are ever as many as the
/// ids.
TEST(GatherGradientKernel, CutsManyIdsIntoStretchesThatAreNeitherLongNorMany) {
  for (std::int64_t count = 1; count < std::int64_t{1} << 34; count *= 3) {
    const std::int64_t stretch = kernels::GatherGradientJob::stretch_of(count);
    EXPECT_EQ(stretch & (stretch - 1), 0) << count;
    EXPECT_LE(count / stretch, 16 * stretch) << count;
    EXPECT_TRUE(stretch == 16 || stretch * stretch < 16 * count) << count;
  }
}

/// `size` elements that begin `skipped` elements behind an aligned place.
struct Shifted {
  Tensor memory;
  std::int64_t skipped, size;
  [[nodiscard]] void* raw() {
    return static_cast<std::byte*>(memory.raw()) +
           static_cast<std::size_t>(skipped) * dtype_size(memory.dtype());
  }
  [[nodiscard]] std::vector<double> values() const {
    const Tensor wide = memory.cast(DType::kFloat64);
    const auto all = wide.data<double>().subspan(static_cast<std::size_t>(skipped),
                                                 static_cast<std::size_t>(size));
    return {all.begin(), all.end()};
  }
};

void expect_mask_of_the_cpu(DType dtype, std::int64_t size, std::int64_t skipped, Random& random,
                            RunJob run) {
  Dropout op;
  op.rate = one_of<double>(random, {0.1, 0.5, 0.9});
  op.stream = static_cast<std::uint32_t>(pick(random, 0, 5));
  const std::uint64_t state[] = {random() | std::uint64_t{random()} << 32,
                                 random() | std::uint64_t{random()} << 32};
  Shifted x{random_tensor({size + skipped}, dtype, random), skipped, size};
  Shifted y{poisoned({size + skipped + 1}, dtype), skipped, size};
  kernels::DropoutJob job{};
  job.dtype = dtype;
  job.x = x.raw();
  job.state = state;
  job.y = y.raw();
  job.size = size;
  job.scale = 2;  // exact in every dtype
  job.stream = op.stream;
  job.threshold = dropout_threshold(op.rate);
  run(job);
  const DropoutMask mask(op, state);
  const std::vector<double> before = x.values(), after = y.values();
  for (std::int64_t i = 0; i < size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(after[at], mask.keeps(i) ? 2 * before[at] : 0.0)
        << "element " << i << " of " << size << ", " << skipped << " skipped";
  }
  const auto behind = y.memory.bytes().last(dtype_size(dtype));
  EXPECT_EQ(behind.front(), std::byte{0xff}) << "written behind the end";
}

TEST(DropoutKernel, KeepsWhatTheCpuKeepsWhateverTheSizeAndTheAlignment) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (const RunJob run : kWays) {
    for (const DType dtype : kFloats) {
      SCOPED_TRACE(dtype_name(dtype));
      for (std::int64_t size = 1; size < 20; ++size) {
        expect_mask_of_the_cpu(dtype, size, pick(random, 0, 1), random, run);
      }
      expect_mask_of_the_cpu(dtype, pick(random, 1000, 5000), 0, random, run);
      expect_mask_of_the_cpu(dtype, pick(random, 1000, 5000), 1, random, run);
      expect_mask_of_the_cpu(dtype, pick(random, 1000, 5000), 4, random, run);
    }
  }
}

/// Counts the Philox blocks by what an executor is asked for.
struct CountCalls {
  std::int64_t packs = 0, singles = 0;
  template <class F>
  void for_each(std::int64_t n, const F& f) {
    packs += f.in_packs() ? n / F::kPack : 0;
    singles += f.in_packs() ? n % F::kPack : n;
    static_assert(F::kPack % 4 == 0);
  }
};

TEST(DropoutKernel, MakesABlockOfWordsForFourElementsWhereverTheyLie) {
  for (const DType dtype : kFloats) {
    for (const std::uintptr_t at : {std::uintptr_t{4096}, std::uintptr_t{4096 + 8}}) {
      kernels::DropoutJob job{};
      job.dtype = dtype;
      job.x = job.y = reinterpret_cast<void*>(at);
      job.size = 1001;
      CountCalls counted;
      ASSERT_TRUE(kernels::execute(job, counted));
      EXPECT_GE(counted.packs, 125) << dtype_name(dtype);
      EXPECT_LE(counted.singles, 1) << dtype_name(dtype);
    }
  }
}

/// A masked position is minus infinity; all of a group may be.
TEST(SoftmaxKernel, GivesMaskedPositionsNothing) {
  const float none = -std::numeric_limits<float>::infinity();
  Random random(lamina::test::fresh_seed());
  for (const bool log : {false, true}) {
    for (const std::int64_t width : {std::int64_t{5}, std::int64_t{700}}) {
      const Shape shape{3, width};
      Tensor x = random_tensor(shape, DType::kFloat32, random);
      const auto values = x.data<float>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const bool last = i + 1 == values.size() / 3 || i + 1 == values.size() / 3 * 2;
        if (!last && pick(random, 0, 4) != 0) values[i] = none;
      }
      for (std::size_t i = values.size() / 3 * 2; i < values.size(); ++i) values[i] = none;
      for (const RunJob run : kWays) {
        Tensor y = poisoned(shape, DType::kFloat32);
        Tensor sums = poisoned({3, 2}, DType::kFloat32);
        kernels::SoftmaxJob job{};
        job.dtype = DType::kFloat32;
        job.log = log;
        job.groups = jobs::groups(shape, {1});
        Tensor parts =
            poisoned({static_cast<std::int64_t>(jobs::parts_bytes(job.groups.slices, 3)) + 1},
                     DType::kUInt8);
        job.x = x.raw();
        job.y = y.raw();
        job.sums = sums.raw();
        job.parts = parts.raw();
        run(job);
        for (std::size_t row = 0; row < 2; ++row) {
          double sum = 0;
          for (std::size_t i = 0; i < static_cast<std::size_t>(width); ++i) {
            const std::size_t at = row * static_cast<std::size_t>(width) + i;
            const double p = log ? std::exp(y.data<float>()[at]) : y.data<float>()[at];
            if (values[at] == none) {
              ASSERT_EQ(p, 0.0) << at;
            }
            sum += p;
          }
          EXPECT_NEAR(sum, 1.0, 1e-5);
        }
        EXPECT_TRUE(std::isnan(y.data<float>()[static_cast<std::size_t>(2 * width)]))
            << "of nothing but minus infinity, as in Keras";
      }
    }
  }
}

/// Sizes of one axis, past what 16, 32 and 33 bits count.
constexpr std::int64_t kSizes[] = {
    0, 1, 7, 256, 65'535, 65'537, 1 << 24, INT32_MAX, std::int64_t{1} << 32, 5'000'000'003};

/// Jobs on elements in a row, at an address that suits packs or at one that does not.
std::vector<kernels::Job> jobs_of_size(std::int64_t size, DType dtype, std::uintptr_t at) {
  void* const x = reinterpret_cast<void*>(at);
  kernels::DropoutJob dropout{};
  dropout.dtype = dtype;
  dropout.x = dropout.y = x;
  dropout.size = size;
  kernels::CopyJob copy{};
  copy.element = dtype_size(dtype);
  copy.size = size;
  copy.from = copy.to = jobs::dense(size);
  kernels::PenaltyJob penalty{};
  penalty.dtype = dtype;
  penalty.size = size;
  kernels::SquaresJob squares{};
  squares.dtype = dtype;
  squares.all.count = (size + kernels::kPieceSize - 1) / kernels::kPieceSize;
  kernels::NormsJob norms{};
  norms.dtype = dtype;
  norms.all.count = squares.all.count;
  kernels::GatherGradientJob gather{};
  gather.dtype = dtype;
  gather.ids.rows = gather.count = size;
  gather.width = 3;
  gather.sorted = static_cast<kernels::Placed*>(x);
  kernels::ArgsortJob argsort{};
  argsort.dtype = dtype;
  argsort.lines = {1, size};
  argsort.sorted = static_cast<kernels::Placed*>(x);
  kernels::NoiseJob noise{};
  noise.dtype = dtype;
  noise.x = noise.y = x;
  noise.size = size;
  return {kernels::UnaryJob{dtype, {}, x, x, size},
          dropout,
          noise,
          copy,
          penalty,
          squares,
          norms,
          gather,
          argsort};
}

std::vector<kernels::Job> jobs_of_channels(std::int64_t rows, std::int64_t channels, DType dtype) {
  kernels::EpilogueJob epilogue{};
  epilogue.dtype = dtype;
  epilogue.bias = &epilogue;  // read by nobody: nothing runs
  epilogue.size = rows * channels;
  epilogue.channels = channels;
  kernels::BatchNormJob norm{};
  norm.dtype = dtype;
  norm.size = rows * channels;
  norm.channels = channels;
  norm.inner = 1;
  return {epilogue, norm};
}

std::vector<kernels::Job> jobs_of_groups(const Shape& shape, const std::vector<std::size_t>& axes,
                                         DType dtype) {
  kernels::ReduceJob reduce{};
  reduce.dtype = dtype;
  reduce.groups = jobs::groups(shape, axes);
  kernels::MomentsJob moments{};
  moments.dtype = dtype;
  moments.groups = reduce.groups;
  kernels::SoftmaxJob softmax{};
  softmax.dtype = dtype;
  softmax.groups = reduce.groups;
  return {reduce, moments, softmax};
}

void expect_legal(const std::vector<kernels::Job>& all, bool nothing, const std::string& what) {
  for (const kernels::Job& job : all) {
    try {
      EXPECT_EQ(launches_of(job) == 0, nothing) << what << ", job " << job.index();
    } catch (const std::logic_error& error) {
      ADD_FAILURE() << what << ", job " << job.index() << ": " << error.what();
    }
  }
}

/// Of nothing there is none: CUDA refuses an empty grid, too.
TEST(Launches, AreWhatCudaAllowsWhateverTheSize) {
  for (const DType dtype : kFloats) {
    for (const std::int64_t size : kSizes) {
      for (const std::uintptr_t at : {4096, 4096 + 8}) {
        expect_legal(jobs_of_size(size, dtype, at), size == 0, std::to_string(size));
      }
      for (const std::int64_t channels : {1, 3, 8, 1000, 65'544, (1 << 24) + 8}) {
        expect_legal(jobs_of_channels(size, channels, dtype), size == 0,
                     std::to_string(size) + " rows of " + std::to_string(channels));
      }
    }
  }
}

TEST(Launches, OfReductionsAreWhatCudaAllowsWhicheverAxisIsLong) {
  using Axes = std::vector<std::size_t>;
  for (const std::int64_t size : kSizes) {
    for (std::size_t longest = 0; longest < 3; ++longest) {
      std::vector<std::int64_t> dims{2, 3, 8};
      dims[longest] = size;
      for (const Axes& axes : {Axes{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}}) {
        const Shape shape(dims);
        std::string what = shape.str() + " over";
        for (const std::size_t axis : axes) what += " " + std::to_string(axis);
        const bool no_groups = size == 0 && std::count(axes.begin(), axes.end(), longest) == 0;
        expect_legal(jobs_of_groups(shape, axes, DType::kFloat32), no_groups, what);
      }
    }
  }
}

}  // namespace
}  // namespace lamina::ops::contract
