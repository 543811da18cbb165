// What layers learn from data before training; against Keras: tests/interop/test_adapt.py.
#include <gmock/gmock.h>
#include <lamina/data_loader.h>
#include <lamina/layers.h>
#include <lamina/model.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "tests/layers/expect_words.h"
#include "tests/training/helpers.h"

namespace lamina {
namespace {

using namespace test;
namespace L = lamina::layers;
using ::testing::ElementsAre;
using Numbers = std::vector<double>;

Numbers values_of(const Tensor& x) {
  const Tensor wide = x.cast(DType::kFloat64);
  return {wide.data<double>().begin(), wide.data<double>().end()};
}

/// Rows [begin, end) of a tensor.
Tensor rows(const Tensor& x, std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> dims = x.shape().dims();
  const auto row = static_cast<std::ptrdiff_t>(x.size() / dims[0]);
  dims[0] = end - begin;
  const auto all = x.data<float>();
  return Tensor::from(std::vector<float>(all.begin() + begin * row, all.begin() + end * row),
                      Shape(dims));
}

/// Batches of given tensors, with labels that nobody needs.
class Batches : public DataLoader {
 public:
  explicit Batches(std::vector<Tensor> batches) : all(std::move(batches)) {}
  std::int64_t batches() const override {
    return endless ? kEndless : static_cast<std::int64_t>(all.size());
  }
  DataSet batch(std::int64_t epoch, std::int64_t index, std::uint64_t seed) override {
    EXPECT_EQ(epoch, 0);
    EXPECT_EQ(seed, 0U);
    asked.push_back(index);
    if (index == fails_at) throw Error("no batch");
    const Tensor& x = all[static_cast<std::size_t>(index) % all.size()];
    DataSet out{x, Tensor::zeros({x.shape()[0]})};
    if (twice) out.x.push_back(x);
    return out;
  }

  std::vector<Tensor> all;
  std::vector<std::int64_t> asked;
  std::int64_t fails_at = -1;
  bool endless = false, twice = false;
};

/// Mean and variance of what lies at each place along the kept axes, by their definition.
struct Statistics {
  Numbers mean, variance;
};
Statistics statistics_of(const Tensor& data, std::vector<std::int64_t> axes) {
  const Shape& shape = data.shape();
  std::vector<std::size_t> kept;
  for (const std::int64_t axis : axes) kept.push_back(shape.index(axis));
  std::sort(kept.begin(), kept.end());
  std::vector<Numbers> places;
  const Numbers values = values_of(data);
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    std::vector<std::int64_t> at(shape.rank());
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      at[axis] = rest % shape.dims()[axis];
      rest /= shape.dims()[axis];
    }
    std::int64_t place = 0;
    for (const std::size_t axis : kept) place = place * shape.dims()[axis] + at[axis];
    places.resize(std::max(places.size(), static_cast<std::size_t>(place) + 1));
    places[static_cast<std::size_t>(place)].push_back(values[i]);
  }
  Statistics result;
  for (const Numbers& each : places) {
    const auto count = static_cast<double>(each.size());
    const double mean = std::accumulate(each.begin(), each.end(), 0.0) / count;
    double squares = 0;
    for (const double x : each) squares += (x - mean) * (x - mean);
    result.mean.push_back(mean);
    result.variance.push_back(squares / count);
  }
  return result;
}

void expect_learnt(const LayerRef& layer, const Statistics& wanted, double tolerance = 2e-6) {
  const std::vector<VariablePtr> variables = layer->variables();
  ASSERT_EQ(variables.size(), 3U);
  const Numbers mean = values_of(variables[0]->value()),
                variance = values_of(variables[1]->value());
  ASSERT_EQ(mean.size(), wanted.mean.size());
  for (std::size_t i = 0; i < mean.size(); ++i) {
    EXPECT_NEAR(mean[i], wanted.mean[i], tolerance * (1 + std::fabs(wanted.mean[i]))) << i;
    EXPECT_NEAR(variance[i], wanted.variance[i], tolerance * (1 + wanted.variance[i])) << i;
  }
  EXPECT_EQ(values_of(variables[2]->value()), Numbers{0});  // Keras's count
}

TEST(Adapt, NormalizationLearnsMeansAlongItsAxes) {
  Random random;
  for (const std::vector<std::int64_t>& axes :
       {std::vector<std::int64_t>{}, {-1}, {1}, {0}, {3, 1}, {2, -1}, {0, 1, 2, 3}}) {
    SCOPED_TRACE(::testing::PrintToString(axes));
    const Shape shape{random.integer(1, 40), random.integer(1, 9), random.integer(1, 70),
                      random.integer(1, 7)};
    const Tensor data = random.tensor(shape, -3, 9);
    const LayerRef layer = L::Normalization({.axis = axes});
    L::adapt(layer, data);
    expect_learnt(layer, statistics_of(data, axes));
  }
}

TEST(Adapt, NormalizationTakesEveryDtype) {
  Random random;
  const Tensor data = random.tensor({50, 3}, 0, 100);
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat64, DType::kInt8,
                            DType::kUInt8, DType::kInt64, DType::kBool}) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    const Tensor cast = data.cast(dtype);
    const LayerRef layer = L::Normalization();
    L::adapt(layer, cast);
    expect_learnt(layer, statistics_of(cast, {-1}));
  }
  // Far from 0, where squares would lose what lies around the mean.
  const LayerRef layer = L::Normalization({.axis = L::Axes{}});
  L::adapt(layer, Tensor::from<double>({1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3}, {4}));
  EXPECT_EQ(values_of(layer->variables()[1]->value()), Numbers{1.25});
}

TEST(Adapt, NormalizationMergesBatchesOfAnySize) {
  Random random;
  const Tensor data = random.tensor({57, 4, 3}, -2, 5);
  const std::vector<Tensor> batches{rows(data, 0, 20), rows(data, 20, 21), rows(data, 21, 21),
                                    rows(data, 21, 57)};
  const Statistics wanted = statistics_of(data, {-1});
  const LayerRef of_list = L::Normalization(), of_loader = L::Normalization();
  L::adapt(of_list, batches);
  expect_learnt(of_list, wanted);
  const auto loader = std::make_shared<Batches>(batches);
  L::adapt(of_loader, loader);
  expect_learnt(of_loader, wanted);
  EXPECT_THAT(loader->asked, ElementsAre(0, 1, 2, 3));
  L::adapt(of_loader, loader, {.steps = 2});  // forgets the first time
  expect_learnt(of_loader, statistics_of(rows(data, 0, 21), {-1}));
  loader->endless = true;
  L::adapt(of_loader, loader, {.steps = 1});
  expect_learnt(of_loader, statistics_of(rows(data, 0, 20), {-1}));
}

TEST(Adapt, ModelsComputeWhatNormalizationHasLearnt) {
  Random random;
  const LayerRef layer = L::Normalization(), inverse = L::Normalization({.invert = true});
  const SymbolicTensor x = L::Input({.shape = {3}});
  const auto model = Functional::create(x, layer(x)), back = Functional::create(x, inverse(x));
  const Tensor data = random.tensor({64, 3}, 4, 20);
  EXPECT_TRUE(bitwise_equal(model->predict(data), data));  // mean 0, variance 1
  L::adapt(layer, data);
  L::adapt(inverse, data);
  const Tensor y = model->predict(data);
  const Statistics of_result = statistics_of(y, {-1});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(of_result.mean[i], 0, 1e-5);
    EXPECT_NEAR(of_result.variance[i], 1, 1e-5);
  }
  const Numbers again = values_of(back->predict(y)), first = values_of(data);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(again[i], first[i], 1e-4);
}

TEST(Adapt, NormalizationOfEverythingTakesAnyRank) {
  const LayerRef layer = L::Normalization({.axis = L::Axes{}});
  L::adapt(layer, Tensor::from<float>({1, 2, 3, 4, 5}, {5}));
  const SymbolicTensor x = L::Input({.shape = {2, 1}});
  const Numbers y =
      values_of(Functional::create(x, layer(x))->predict(Tensor::from<float>({1, 3}, {1, 2, 1})));
  EXPECT_NEAR(y[0], -std::sqrt(2.0), 1e-6);
  EXPECT_EQ(y[1], 0);
}

TEST(Adapt, DiscretizationFindsTheBinsOfKerasDocumentation) {
  const LayerRef layer = L::Discretization({.num_bins = 4, .epsilon = 0.01});
  const Tensor data = Tensor::from<float>({-1.5, 1.0, 3.4, 0.5, 0.0, 3.0, 1.3, 0.0}, {2, 4});
  const SymbolicTensor x = L::Input({.shape = {4}});
  const auto model = Functional::create(x, layer(x));
  expect_words<ValueError>([&] { (void)model->predict(data); },
                           "You need to either pass the `bin_boundaries` argument at construction "
                           "time or call `adapt(dataset)` before you can start using the "
                           "`Discretization` layer.");
  L::adapt(layer, data);
  EXPECT_EQ(values_of(model->predict(data)), (Numbers{0, 2, 3, 2, 1, 3, 3, 1}));
}

TEST(Adapt, DiscretizationDividesDataIntoEqualBins) {
  Random random;
  const std::int64_t bins = random.integer(2, 20), count = 20000;
  const Tensor data = random.tensor({count, 1}, -5, 5);
  std::vector<Tensor> batches;
  for (std::int64_t begin = 0; begin < count;) {
    const std::int64_t end = std::min(count, begin + random.integer(100, 3000));
    batches.push_back(rows(data, begin, end));
    begin = end;
  }
  for (const bool merges : {false, true}) {
    const LayerRef layer = L::Discretization({.num_bins = bins, .epsilon = 0.001});
    merges ? L::adapt(layer, batches) : L::adapt(layer, data);
    const SymbolicTensor x = L::Input({.shape = {1}});
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(bins));
    for (const double bin : values_of(Functional::create(x, layer(x))->predict(data))) {
      ++sizes.at(static_cast<std::size_t>(bin));
    }
    for (const std::int64_t size : sizes) EXPECT_NEAR(size, count / bins, 0.015 * count) << bins;
  }
}

TEST(Adapt, ModelsFollowTheBinsThatAreFoundAnew) {
  const LayerRef layer = L::Discretization({.num_bins = 3, .output_mode = "one_hot"});
  const SymbolicTensor x = L::Input({.shape = {1}});
  const auto model = Functional::create(x, L::Identity()(layer(x)));
  EXPECT_EQ(model->output().shape(), (Shape{kNone, 3}));
  L::adapt(layer, Tensor::from<float>({1, 2, 3, 4, 5, 6}, {6}));
  const Tensor four = Tensor::from<float>({4.5}, {1, 1});
  EXPECT_EQ(values_of(model->predict(four)), (Numbers{0, 0, 1}));
  L::adapt(layer, Tensor::from<float>({10, 20, 30, 40, 50, 60}, {6}));
  EXPECT_EQ(values_of(model->predict(four)), (Numbers{1, 0, 0}));
  L::adapt(layer, Tensor::from<float>({1, 5}, {2}));  // too few for three
  EXPECT_EQ(values_of(model->predict(four)), (Numbers{0, 1}));
}

TEST(Adapt, ConfigurationsHoldTheBins) {
  const LayerRef layer = L::Discretization({.num_bins = 4});
  const SymbolicTensor x = L::Input({.shape = {1}});
  const auto model = Functional::create(x, layer(x));
  EXPECT_NE(model->to_json().find(R"("bin_boundaries":null)"), std::string::npos)
      << model->to_json();
  L::adapt(layer, Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8}, {8}));
  const auto twin = Model::from_json_text(model->to_json());
  const Tensor data = Tensor::from<float>({0, 2.5, 4.5, 6.5, 9}, {5, 1});
  EXPECT_EQ(values_of(twin->predict(data)), values_of(model->predict(data)));
  EXPECT_EQ(values_of(twin->predict(data)), (Numbers{0, 1, 2, 3, 3}));
  // One that was read learns anew.
  L::adapt(twin->layers().back(), Tensor::from<float>({100, 200, 300, 400}, {4}));
  EXPECT_EQ(values_of(twin->predict(data)), (Numbers{0, 0, 0, 0, 0}));
}

TEST(Adapt, FailuresLeaveWhatWasLearnt) {
  Random random;
  const Tensor data = random.tensor({20, 3});
  const auto loader = std::make_shared<Batches>(std::vector<Tensor>{data, random.tensor({9, 3})});
  loader->fails_at = 1;
  const LayerRef norm = L::Normalization(), bins = L::Discretization({.num_bins = 3});
  L::adapt(norm, data);
  L::adapt(bins, data);
  const SymbolicTensor x = L::Input({.shape = {3}});
  const auto model = Functional::create(SymbolicTensors{x}, SymbolicTensors{norm(x), bins(x)});
  const std::vector<Tensor> before = model->predict(std::vector<Tensor>{data});
  for (const LayerRef& layer : {norm, bins}) {
    EXPECT_EQ(words_of([&] { L::adapt(layer, loader); }), "no batch");
  }
  expect_words<ValueError>(
      [&] {
        L::adapt(norm, {data, random.tensor({9, 4})});
      },
      "The layer was built with input_shape=(20, 3), but adapt() is being "
      "called with data with an incompatible shape, data.shape=(9, 4)");
  const std::vector<Tensor> after = model->predict(std::vector<Tensor>{data});
  EXPECT_TRUE(bitwise_equal(before[0], after[0]));
  EXPECT_TRUE(bitwise_equal(before[1], after[1]));
}

TEST(Adapt, RefusesWhatKerasRefuses) {
  const Tensor data = Tensor::from<float>({1, 2}, {2, 1});
  const auto expect = [](const LayerRef& layer, const std::vector<Tensor>& batches,
                         const std::string& words) {
    expect_words<ValueError>([&] { L::adapt(layer, batches); }, words);
  };
  expect(L::Dense({.units = 1, .name = "d"}), {data},
         "Layer 'd' (Dense): 'Dense' object has no attribute 'adapt'");
  expect(L::Normalization({.mean = 1.0, .variance = 2.0, .name = "n"}), {data},
         "Layer 'n' (Normalization): Cannot `adapt` a Normalization layer that is initialized with "
         "static `mean` and `variance`");
  expect(L::Normalization(), {},
         "adapt() received an empty iterable (no batches). Expected at least one batch.");
  expect(L::Normalization(), {Tensor::zeros({0, 3})}, "adapt() received no elements.");
  expect(L::Normalization(), {Tensor()}, "undefined");
  expect(L::Discretization({.bin_boundaries = {0, 1}, .name = "b"}), {data},
         "Layer 'b' (Discretization): Cannot adapt a Discretization layer that has been "
         "initialized with `bin_boundaries`, use `num_bins` instead.");
  expect(L::Discretization({.num_bins = 0}), {data}, "num_bins=0");
  for (const double epsilon : {0.0, -0.5, std::nan(""), HUGE_VAL}) {
    expect(L::Discretization({.num_bins = 2, .epsilon = epsilon}), {data}, "`epsilon` above 0");
  }
  const float nan = std::nanf("");
  expect(L::Discretization({.num_bins = 4}), {Tensor::from<float>({1, nan, nan, nan}, {4})},
         "a boundary is NaN");
  const float inf = std::numeric_limits<float>::infinity();  // what lies between two that differ
  expect(L::Discretization({.num_bins = 2}), {Tensor::from<float>({-inf, inf, inf}, {3})},
         "infinite or NaN");
  EXPECT_THROW(L::adapt(LayerPtr(), data), ValueError);
}

TEST(Adapt, LoadersSayHowManyBatchesThereAre) {
  const LayerRef layer = L::Normalization();
  const auto loader = std::make_shared<Batches>(std::vector<Tensor>{Tensor::zeros({2, 1})});
  expect_words<ValueError>([&] { L::adapt(layer, loader, {.steps = 0}); }, "steps=0");
  expect_words<ValueError>([&] { L::adapt(layer, std::shared_ptr<DataLoader>()); }, "a loader");
  loader->twice = true;
  expect_words<ValueError>([&] { L::adapt(layer, loader); }, "batches of one input. Received: 2");
  loader->endless = true;
  expect_words<ValueError>([&] { L::adapt(layer, loader); },
                           "you must specify the `steps` argument.");
}

}  // namespace
}  // namespace lamina
