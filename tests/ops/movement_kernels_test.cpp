// Elements that are moved, one at a time or 16 bytes at once where they and their addresses allow
// it: by one thread and in blocks of threads, against what is said of each element.
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "contract.h"
#include "kernels/jobs.h"
#include "ops/jobs/layouts.h"
#include "ops/jobs/run_on_host.h"
#include "ops/strides.h"
#include "run_in_blocks.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::contract {
namespace {

using RunJob = void (*)(const kernels::Job&);
constexpr RunJob kWays[] = {jobs::run_on_host, run_in_blocks};
constexpr DType kWidths[] = {DType::kUInt8, DType::kUInt16, DType::kUInt32, DType::kUInt64};

/// `dims` elements behind as many that are skipped, so that addresses suit packs or do not.
struct Array {
  Array(const std::vector<std::int64_t>& dims_, DType dtype, Random& random)
      : dims(dims_),
        skipped(pick(random, 0, 3) == 0 ? 1 : 0),
        element(dtype_size(dtype)),
        values(Tensor::empty({size() + skipped}, dtype)) {
    for (std::byte& byte : values.bytes()) byte = static_cast<std::byte>(random());
  }
  [[nodiscard]] std::int64_t size() const {
    return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
  }
  [[nodiscard]] std::byte* at(std::int64_t i) {
    return static_cast<std::byte*>(values.raw()) + static_cast<std::size_t>(skipped + i) * element;
  }

  std::vector<std::int64_t> dims;
  std::int64_t skipped;
  std::size_t element;
  Tensor values;
};

/// Where element i of an array lies along each of its dimensions.
std::vector<std::int64_t> place_of(std::int64_t i, const std::vector<std::int64_t>& dims) {
  std::vector<std::int64_t> place(dims.size());
  for (std::size_t d = dims.size(); d-- > 0; i /= dims[d]) place[d] = i % dims[d];
  return place;
}

std::int64_t index_of(const std::vector<std::int64_t>& place, const Strides& strides) {
  return std::inner_product(place.begin(), place.end(), strides.begin(), std::int64_t{0});
}

std::vector<std::int64_t> random_dims(Random& random, std::size_t rank) {
  std::vector<std::int64_t> dims(rank);
  for (std::int64_t& dim : dims) dim = pick(random, 1, 7);
  dims.back() = one_of<std::int64_t>(random, {1, 5, 8, 16, 24, pick(random, 1, 40)});
  return dims;
}

/// A case for each width of elements and way of running it.
void each_case(const std::function<void(DType, RunJob, Random&)>& check) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  for (int round = 0; round < 20; ++round) {
    for (const DType dtype : kWidths) {
      for (const RunJob run : kWays) check(dtype, run, random);
    }
  }
}

/// An axis is left out, repeated or moved to another place; the result is part of a larger array.
TEST(MovementKernels, CopyWhatLiesElsewhere) {
  each_case([](DType dtype, RunJob run, Random& random) {
    const std::size_t rank = static_cast<std::size_t>(pick(random, 1, 4));
    Array x(random_dims(random, rank), dtype, random);
    std::vector<std::size_t> perm(rank);
    std::iota(perm.begin(), perm.end(), std::size_t{0});
    std::shuffle(perm.begin(), perm.end() - pick(random, 0, 1), random);
    std::vector<std::int64_t> dims;
    Strides from;
    for (const std::size_t axis : perm) {
      dims.push_back(x.dims[axis]);
      from.push_back(pick(random, 0, 4) == 0 ? 0 : row_major(Shape(x.dims))[axis]);
    }
    std::vector<std::int64_t> larger = dims;
    larger.front() += pick(random, 0, 2);
    if (rank > 1) larger[1] += pick(random, 0, 1) * 8;
    Array y(larger, dtype, random);
    const Strides to = row_major(Shape(larger));
    const Tensor before = y.values.clone();

    kernels::CopyJob job{};
    job.element = x.element;
    job.x = x.at(0);
    job.y = y.at(0);
    job.from = jobs::layout(dims, from);
    job.to = jobs::layout(dims, to);
    job.size = job.from.size();
    run(job);

    Array wanted = y;
    wanted.values = before;
    for (std::int64_t i = 0; i < job.size; ++i) {
      const auto place = place_of(i, dims);
      std::memcpy(wanted.at(index_of(place, to)), x.at(index_of(place, from)), x.element);
    }
    ASSERT_TRUE(bitwise_equal(y.values, wanted.values)) << dtype_name(dtype);
  });
}

TEST(MovementKernels, PadAndCrop) {
  each_case([](DType dtype, RunJob run, Random& random) {
    const std::size_t rank = static_cast<std::size_t>(pick(random, 1, 4));
    Array x(random_dims(random, rank), dtype, random);
    kernels::PadJob job{};
    std::vector<std::int64_t> dims;
    for (std::size_t d = 0; d < rank; ++d) {
      const bool framed = d + 1 < rank || pick(random, 0, 2) == 0;
      job.in[d] = x.dims[d];
      job.before[d] = framed ? pick(random, 0, 4) - 1 : 0;
      job.out[d] =
          framed ? std::max<std::int64_t>(1, x.dims[d] + pick(random, 0, 4) - 1) : x.dims[d];
      dims.push_back(job.out[d]);
    }
    Array y(dims, dtype, random);
    job.element = x.element;
    job.value = 0x0123456789abcdef;
    job.x = x.at(0);
    job.y = y.at(0);
    job.rank = static_cast<int>(rank);
    job.size = y.size();
    run(job);

    for (std::int64_t i = 0; i < job.size; ++i) {
      std::vector<std::int64_t> place = place_of(i, dims);
      bool inside = true;
      for (std::size_t d = 0; d < rank; ++d) {
        place[d] -= job.before[d];
        inside = inside && place[d] >= 0 && place[d] < job.in[d];
      }
      const void* wanted =
          inside ? static_cast<const void*>(x.at(index_of(place, row_major(Shape(x.dims)))))
                 : &job.value;
      ASSERT_EQ(std::memcmp(y.at(i), wanted, x.element), 0)
          << dtype_name(dtype) << ", element " << i;
    }
  });
}

TEST(MovementKernels, GatherRowsAndSayWhichThereAreNot) {
  each_case([](DType dtype, RunJob run, Random& random) {
    const std::int64_t rows = pick(random, 1, 9), count = pick(random, 1, 60);
    const std::int64_t width = random_dims(random, 1)[0];
    Array table({rows, width}, dtype, random), y({count, width}, dtype, random);
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < count; ++i) ids.push_back(pick(random, -1, rows));
    std::vector<std::uint8_t> refused(ids.size(), 7);
    kernels::GatherJob job{};
    job.element = table.element;
    job.ids = {DType::kInt64, ids.data(), rows};
    job.table = table.at(0);
    job.y = y.at(0);
    job.refused = refused.data();
    job.count = count;
    job.width = width;
    run(job);

    const std::vector<std::byte> zeros(static_cast<std::size_t>(width) * table.element);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool named = ids[i] >= 0 && ids[i] < rows;
      ASSERT_EQ(refused[i], named ? 0 : 1);
      const std::byte* wanted = named ? table.at(ids[i] * width) : zeros.data();
      ASSERT_EQ(std::memcmp(y.at(static_cast<std::int64_t>(i) * width), wanted, zeros.size()), 0)
          << dtype_name(dtype) << ", row " << ids[i] << " of " << width;
    }
  });
}

/// Element i, of an unsigned integer as wide as the array's.
std::uint64_t number_at(Array& array, std::int64_t i) {
  std::uint64_t number = 0;
  std::memcpy(&number, array.at(i), array.element);
  return number;
}

TEST(MovementKernels, ArgsortPutsEachLineInOrderWithTheFirstOfEqualOnesFirst) {
  each_case([](DType dtype, RunJob run, Random& random) {
    const std::int64_t lines = pick(random, 1, 4);
    const std::int64_t size = pick(random, 1, one_of<std::int64_t>(random, {9, 40, 700}));
    Array x({lines, size}, dtype, random);
    std::vector<std::int32_t> places(static_cast<std::size_t>(lines * size), -1);
    constexpr std::int64_t kGuard = -7;
    std::vector<kernels::Placed> sorted(2 * places.size() + 1, {kGuard, kGuard});
    kernels::ArgsortJob job{};
    job.dtype = dtype;
    job.descending = pick(random, 0, 1) == 1;
    job.x = x.at(0);
    job.y = places.data();
    job.sorted = sorted.data();
    job.lines = {lines, size};
    run(job);

    EXPECT_EQ(sorted.back().key, kGuard);
    std::vector<std::int32_t> wanted(static_cast<std::size_t>(size));
    for (std::int64_t line = 0; line < lines; ++line) {
      std::iota(wanted.begin(), wanted.end(), 0);
      std::stable_sort(wanted.begin(), wanted.end(), [&](std::int32_t a, std::int32_t b) {
        const std::uint64_t first = number_at(x, line * size + a);
        const std::uint64_t second = number_at(x, line * size + b);
        return job.descending ? first > second : first < second;
      });
      ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), places.begin() + line * size))
          << dtype_name(dtype) << ", line " << line << " of " << size;
    }
  });
}

}  // namespace
}  // namespace lamina::ops::contract
