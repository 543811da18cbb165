// Hand-made and jax-made cases: what the oracle itself is held to. Each runs on the reference and
// on the CPU's backend.
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <cmath>
#include <limits>

#include "contract.h"
#include "ops/op_info.h"
#include "ops/params.h"
#include "ops/reference/reference_backend.h"
#include "tests/fakes/fake_gpu.h"

namespace lamina::ops::contract {
namespace {

using Floats = std::vector<float>;

Floats ascending(std::int64_t size, float first = 0, float step = 1) {
  Floats values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = first + step * static_cast<float>(i);
  return values;
}

/// Every backend there is, the CUDA one on a device of this test's own.
struct AllBackends {
  lamina::testing::FakeGpu gpu{{}, {2, 1 << 20}};
  std::vector<std::pair<std::string, std::shared_ptr<Backend>>> all{
      {"reference", std::make_shared<ReferenceBackend>()},
      {"cpu", make_backend(Device::cpu())},
      {"cuda", make_backend(Device::cuda())}};
};

void expect_values(const OpSpec& spec, const std::vector<Floats>& inputs,
                   const std::vector<Floats>& params, const Floats& wanted) {
  const AllBackends backends;
  std::vector<Tensor> input_tensors;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    input_tensors.push_back(Tensor::from(inputs[i], input_specs(spec)[i].shape));
  }
  std::vector<Tensor> param_tensors;
  for (std::size_t i = 0; i < params.size(); ++i) {
    param_tensors.push_back(Tensor::from(params[i], param_shapes(spec)[i]));
  }
  for (const auto& [name, backend] : backends.all) {
    SCOPED_TRACE(name);
    const KernelPtr kernel = backend->make(spec);
    kernel->load_parameters(param_tensors);
    const Tensor result = run(*backend, *kernel, spec, input_tensors);
    ASSERT_EQ(static_cast<std::size_t>(result.size()), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_NEAR(result.data<float>()[i], wanted[i], 4e-6 * (1 + std::abs(wanted[i])))
          << "element " << i;
    }
  }
}

TEST(Definitions, DepthwiseConvolutionTakesAMultiplier) {
  const Conv2D op{
      .x = {{1, 2, 3, 2}}, .y = {{1, 2, 3, 4}}, .kernel = {2, 2}, .pad_after = {1, 1}, .groups = 2};
  expect_values(op, {ascending(12)}, {ascending(16, -8)},
                {24,  40,  56,  76,  8,    32,  56,  84,  -32, -18, -8,  8,
                 -80, -66, -60, -44, -104, -86, -76, -56, -80, -70, -66, -55});
}

TEST(Definitions, ConvolutionMayBeGroupedAndDilated) {
  const Conv2D op{
      .x = {{1, 4, 4, 2}}, .y = {{1, 2, 3, 4}}, .kernel = {2, 2}, .dilation = {2, 1}, .groups = 2};
  expect_values(op, {ascending(32, -1, 0.125F)}, {ascending(16, -7)},
                {16.5, 17, 18, 19, 15.5, 17, 19, 21, 14.5, 17, 20, 23,
                 12.5, 17, 22, 27, 11.5, 17, 23, 29, 10.5, 17, 24, 31});
}

TEST(Definitions, ConvolutionActivatesBeforeItAddsTheResidual) {
  const Conv2D op{.x = {{1, 1, 2, 1}},
                  .y = {{1, 1, 2, 1}},
                  .bias = true,
                  .residual = true,
                  .activation = relu()};
  // relu(2x + 1) + residual
  expect_values(op, {{-3, 4}, {-10, -20}}, {{2}, {1}}, {-10, -11});
}

TEST(Definitions, TransposedConvolutionPadsAsSameAndAsValid) {
  Conv2DTranspose op{.x = {{1, 2, 3, 1}}, .y = {{1, 4, 6, 2}}, .kernel = {3, 3}, .strides = {2, 2}};
  op.pad_after = {1, 1};
  expect_values(op, {ascending(6, 1)}, {ascending(18, -5)},
                {-5, -4, -3, -2, -11, -8, -6, -4, -17, -12, -9, -6, 1,  2,  3,  4,
                 7,  10, 6,  8,  13,  18, 9,  12, -13, -8,  -3, 2,  -4, 8,  3,  10,
                 8,  24, 9,  18, 4,   8,  12, 16, 25,  34,  15, 20, 31, 42, 18, 24});
  op.pad_after = {0, 0};
  op.y.shape = {1, 5, 7, 2};
  expect_values(op, {ascending(6, 1)}, {ascending(18, -5)},
                {-5, -4, -3, -2, -11, -8, -6, -4, -17, -12, -9,  -6,  -3, 0,  1,  2,  3,  4,
                 7,  10, 6,  8,  13,  18, 9,  12, 15,  18,  -13, -8,  -3, 2,  -4, 8,  3,  10,
                 8,  24, 9,  18, 27,  36, 4,  8,  12,  16,  25,  34,  15, 20, 31, 42, 18, 24,
                 30, 36, 28, 32, 36,  40, 79, 88, 45,  50,  97,  108, 54, 60, 66, 72});
}

TEST(Definitions, TransposedConvolutionAppendsRowsThatOnlyTheBiasReaches) {
  // Each pixel x becomes 2x 3x 0 by its kernel and stride; output_padding keeps the last 0.
  const Conv2DTranspose op{.x = {{1, 1, 2, 1}},
                           .y = {{1, 1, 6, 1}},
                           .kernel = {1, 2},
                           .strides = {1, 3},
                           .pad_after = {0, -1},
                           .bias = true};
  expect_values(op, {{1, 10}}, {{2, 3}, {100}}, {102, 103, 100, 120, 130, 100});
}

TEST(Definitions, ProductsOfMatricesTakeEachIndexByItself) {
  // (2, 2, 3) times (2, 3, 1), and the same with either lying transposed.
  const Floats a{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, b{1, 0, -1, 2, 1, 0};
  const Floats turned{1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12}, wanted{-2, -2, 22, 31};
  MatMul op{.x0 = {{2, 2, 3}}, .x1 = {{2, 3, 1}}, .y = {{2, 2, 1}}};
  expect_values(op, {a, b}, {}, wanted);
  op.x1.shape = {2, 1, 3};
  op.transpose_x1 = true;
  expect_values(op, {a, b}, {}, wanted);
  op.x0.shape = {2, 3, 2};
  op.transpose_x0 = true;
  expect_values(op, {turned, b}, {}, wanted);
  op.scale = 0.5;
  expect_values(op, {turned, b}, {}, {-1, -1, 11, 15.5});
}

TEST(Definitions, AveragePoolLeavesPaddingOut) {
  Pool2D op{.kind = Pool2D::Kind::kAverage,
            .x = {{1, 3, 3, 1}},
            .y = {{1, 2, 2, 1}},
            .window = {2, 2},
            .strides = {2, 2},
            .pad_after = {1, 1}};
  expect_values(op, {ascending(9)}, {}, {2, 3.5, 6.5, 8});
  op.kind = Pool2D::Kind::kMax;
  expect_values(op, {ascending(9, -9)}, {}, {-5, -4, -2, -1});
}

TEST(Definitions, ResizeGoesByJaxsRules) {
  using Kind = Resize2D::Kind;
  const Floats squares{0, 1, 4, 9, 16};
  const std::vector<std::tuple<Kind, Floats, Floats>> cases{
      {Kind::kNearest, {0, 0, 1, 4, 4, 9, 16, 16}, {0, 4, 16}},
      {Kind::kBilinear,
       {0, 0.4375, 1.1875, 3.0625, 5.5625, 8.6875, 12.9375, 16},
       {0.3333333, 4, 13.66667}},
      {Kind::kBicubic,
       {-0.07195572, 0.2437493, 1.128906, 2.847656, 5.347656, 8.628906, 13.48818, 16.50369},
       {0.1724135, 4, 14.24138}},
      {Kind::kLanczos3,
       {-0.008546464, 0.1952063, 1.110116, 2.928547, 5.041241, 8.493007, 13.74597, 16.55913},
       {0.1092974, 4, 14.43742}},
      {Kind::kLanczos5,
       {-0.006691664, 0.04913476, 1.211931, 3.428782, 4.551299, 8.399365, 13.8499, 16.60056},
       {0.01655588, 4, 14.48455}}};
  for (const auto& [kind, up, down] : cases) {
    SCOPED_TRACE(static_cast<int>(kind));
    expect_values(Resize2D{kind, {{1, 5, 1, 1}}, {{1, 8, 1, 1}}}, {squares}, {}, up);
    expect_values(Resize2D{kind, {{1, 1, 5, 1}}, {{1, 1, 3, 1}}}, {squares}, {}, down);
    expect_values(Resize2D{kind, {{1, 5, 1, 1}}, {{1, 8, 1, 1}}, true}, {squares}, {}, up);
  }
  const std::pair<Kind, Floats> antialiased[] = {
      {Kind::kNearest, {0, 4, 16}},
      {Kind::kBilinear, {0.4285714, 4.444445, 13}},
      {Kind::kBicubic, {0.1692311, 4.19535, 13.33846}},
      {Kind::kLanczos3, {0.1032882, 4, 13.5305}},
      {Kind::kLanczos5, {0.1804001, 3.913595, 13.58405}}};
  for (const auto& [kind, down] : antialiased) {
    SCOPED_TRACE(static_cast<int>(kind));
    expect_values(Resize2D{kind, {{1, 1, 5, 1}}, {{1, 1, 3, 1}}, true}, {squares}, {}, down);
  }
}

TEST(Definitions, ActivationsFollowTheirFormulas) {
  const Floats x{-3.5, -1, -0.25, 0, 0.5, 1, 2, 4};
  const std::vector<std::pair<Activation, Floats>> cases{
      {{Unary::kLinear}, x},
      {relu(0.1, 1.5, 0.5), {-0.4, -0.15, -0.075, -0.05, 0, 1, 1.5, 1.5}},
      {{Unary::kSilu},
       {-0.1025928, -0.2689414, -0.1094559, 0, 0.3112297, 0.7310586, 1.761594, 3.928055}},
      {{Unary::kGelu},
       {-0.0008142018, -0.1586553, -0.1003234, 0, 0.3457312, 0.8413447, 1.9545, 3.999873}},
      {{Unary::kGeluTanh},
       {-0.0006161481, -0.158808, -0.1003246, 0, 0.345714, 0.841192, 1.954598, 3.99993}},
      {{Unary::kSigmoid},
       {0.02931223, 0.2689414, 0.4378235, 0.5, 0.6224594, 0.7310586, 0.880797, 0.9820138}},
      {{Unary::kHardSigmoid}, {0, 0.3333333, 0.4583333, 0.5, 0.5833334, 0.6666667, 0.8333334, 1}},
      {{Unary::kHardSilu}, {0, -0.3333333, -0.1145833, 0, 0.2916667, 0.6666667, 1.666667, 4}},
      {{Unary::kTanh},
       {-0.9981779, -0.7615942, -0.2449187, 0, 0.4621172, 0.7615942, 0.9640276, 0.9993292}},
      {{Unary::kElu, 1}, {-0.9698026, -0.6321205, -0.2211992, 0, 0.5, 1, 2, 4}},
      {{Unary::kSelu},
       {-1.705009, -1.111331, -0.3888902, 0, 0.5253505, 1.050701, 2.101402, 4.202804}},
      {{Unary::kSoftplus},
       {0.02975042, 0.3132617, 0.5759394, 0.6931472, 0.974077, 1.313262, 2.126928, 4.01815}},
      {{Unary::kSoftsign}, {-0.7777778, -0.5, -0.2, 0, 0.3333333, 0.5, 0.6666667, 0.8}},
      {{Unary::kExponential},
       {0.03019738, 0.3678795, 0.7788008, 1, 1.648721, 2.718282, 7.389056, 54.59815}},
      {{Unary::kMish},
       {-0.1040957, -0.3034014, -0.129927, 0, 0.3752452, 0.8650985, 1.943959, 3.997413}},
      {{Unary::kScaleShift, 2, 3}, {-4, 1, 2.5, 3, 4, 5, 7, 11}},
      {{Unary::kInverseRoot, 0.25},
       {0.5163978, 0.8944272, 1.414214, 2, 1.154701, 0.8944272, 0.6666667, 0.4850713}},
      {{Unary::kAbsolute}, {3.5, 1, 0.25, 0, 0.5, 1, 2, 4}},
      {{Unary::kSquare}, {12.25, 1, 0.0625, 0, 0.25, 1, 4, 16}},
      {{Unary::kSin},
       {0.3507832, -0.841471, -0.247404, 0, 0.4794255, 0.841471, 0.9092974, -0.7568025}},
      {{Unary::kCos},
       {-0.9364567, 0.5403023, 0.9689124, 1, 0.8775826, 0.5403023, -0.4161468, -0.6536436}},
      {{Unary::kExpm1},
       {-0.9698026, -0.6321206, -0.2211992, 0, 0.6487213, 1.718282, 6.389056, 53.59815}},
      {{Unary::kPower, 3}, {-42.875, -1, -0.015625, 0, 0.125, 1, 8, 64}},
      {{Unary::kErf}, {-0.9999993, -0.8427008, -0.2763264, 0, 0.5204999, 0.8427008, 0.9953223, 1}},
      {{Unary::kTan},
       {-0.3745856, -1.557408, -0.2553419, 0, 0.5463025, 1.557408, -2.18504, 1.157821}},
      {{Unary::kArctan},
       {-1.292497, -0.7853982, -0.2449787, 0, 0.4636476, 0.7853982, 1.107149, 1.325818}},
      {{Unary::kSinh},
       {-16.54263, -1.175201, -0.2526123, 0, 0.5210953, 1.175201, 3.62686, 27.28992}},
      {{Unary::kCosh}, {16.57282, 1.543081, 1.031413, 1, 1.127626, 1.543081, 3.762196, 27.30823}},
      {{Unary::kFloor}, {-4, -1, -1, 0, 0, 1, 2, 4}},
      {{Unary::kCeil}, {-3, -1, 0, 0, 1, 1, 2, 4}},
      {{Unary::kRound}, {-4, -1, 0, 0, 0, 1, 2, 4}},
      {{Unary::kSign}, {-1, -1, -1, 0, 1, 1, 1, 1}},
      {{Unary::kSignbit}, {1, 1, 1, 0, 0, 0, 0, 0}},
      {{Unary::kArcsinh},
       {-1.96572, -0.8813736, -0.2474665, 0, 0.4812118, 0.8813736, 1.443635, 2.094713}},
      {{Unary::kCbrt}, {-1.518294, -1, -0.6299605, 0, 0.7937005, 1, 1.259921, 1.587401}},
      {{Unary::kExp2}, {0.08838835, 0.5, 0.8408964, 1, 1.414214, 2, 4, 16}},
      {{Unary::kErfc},
       {1.999999, 1.842701, 1.276326, 1, 0.4795001, 0.1572992, 0.004677735, 1.541726e-08}},
      {{Unary::kSinc}, {-0.09094568, 0, 0.9003163, 1, 0.6366198, 0, 0, 0}},
      {{Unary::kStopGradient}, x}};
  for (const auto& [activation, wanted] : cases) {
    SCOPED_TRACE(static_cast<int>(activation.kind));
    expect_values(UnaryOp{{{8}}, {{8}}, activation}, {x}, {}, wanted);
  }
}

TEST(Definitions, FunctionsOfPositiveNumbersFollowTheirFormulas) {
  const Floats x{0.25, 0.5, 1, 2, 4, 9};
  const std::vector<std::pair<Activation, Floats>> cases{
      {{Unary::kLog}, {-1.386294, -0.6931472, 0, 0.6931472, 1.386294, 2.197225}},
      {{Unary::kLog1p}, {0.2231436, 0.4054651, 0.6931472, 1.098612, 1.609438, 2.302585}},
      {{Unary::kSqrt}, {0.5, 0.7071068, 1, 1.414214, 2, 3}},
      {{Unary::kRsqrt}, {2, 1.414214, 1, 0.7071068, 0.5, 0.3333333}},
      {{Unary::kPower, -1.5}, {8, 2.828427, 1, 0.3535534, 0.125, 0.03703704}}};
  for (const auto& [activation, wanted] : cases) {
    SCOPED_TRACE(static_cast<int>(activation.kind));
    expect_values(UnaryOp{{{6}}, {{6}}, activation}, {x}, {}, wanted);
  }
  // x ** 0 does not bend at 0.
  const UnaryOp one{{{2}}, {{2}}, {Unary::kPower, 0}};
  expect_values(UnaryGradient{one, false, {{2}}}, {{0, 3}, {5, 7}}, {}, {0, 0});
}

TEST(Definitions, InversesFollowTheirFormulasWhereThereAreValues) {
  const Floats x{-0.9F, -0.5, -0.25, 0, 0.5, 0.9F};
  const std::vector<std::pair<Activation, Floats>> cases{
      {{Unary::kArcsin}, {-1.11977, -0.5235988, -0.2526803, 0, 0.5235988, 1.11977}},
      {{Unary::kArccos}, {2.690566, 2.094395, 1.823477, 1.570796, 1.047198, 0.4510268}},
      {{Unary::kArctanh}, {-1.472219, -0.5493061, -0.2554128, 0, 0.5493061, 1.472219}}};
  for (const auto& [activation, wanted] : cases) {
    SCOPED_TRACE(static_cast<int>(activation.kind));
    expect_values(UnaryOp{{{6}}, {{6}}, activation}, {x}, {}, wanted);
  }
  expect_values(UnaryOp{{{6}}, {{6}}, {Unary::kArccosh}}, {{1, 1.25, 1.5, 2, 4, 9}}, {},
                {0, 0.6931472, 0.9624237, 1.316958, 2.063437, 2.887271});
  // Of 0 the sign is seen, and a sinc is flat there.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_values(UnaryOp{{{2}}, {{2}}, {Unary::kSignbit}}, {{-0.0F, nan}}, {}, {1, 0});
  const UnaryOp sinc{{{2}}, {{2}}, {Unary::kSinc}};
  expect_values(UnaryGradient{sinc, false, {{2}}}, {{0, -0.0F}, {5, 7}}, {}, {0, 0});
  // Nearly flat beside it, however little a sinc differs from 1 there.
  const UnaryOp beside{{{3}}, {{3}}, {Unary::kSinc}};
  expect_values(UnaryGradient{beside, false, {{3}}}, {{1e-4F, -1e-3F, 0.15F}, {1000, 1000, 1}}, {},
                {-0.3289868, 3.289865, -0.4826083});
}

TEST(Definitions, QuotientsGoDownwardsAsPythons) {
  const TensorSpec spec{{6}};
  // 1 goes nine times into 0.1 as float32 has it, though 1 / 0.1 is rounded to 10.
  const Floats x{7, -7, 7, -7, 1, 0}, y{2, 2, -2, -2, 0.1F, 3};
  expect_values(BinaryOp{Binary::kFloorDivide, spec, spec, spec, {}}, {x, y}, {},
                {3, -4, -4, 3, 9, 0});
  const BinaryOp mod{Binary::kMod, spec, spec, spec, {}};
  expect_values(mod, {x, y}, {}, {1, 1, -1, -1, 0.09999999, 0});
  const Floats dy{1, 2, 3, 4, 5, 6};
  expect_values(BinaryGradient{mod, 0, spec}, {x, y, dy}, {}, dy);
  expect_values(BinaryGradient{mod, 1, spec}, {x, y, dy}, {}, {-3, 8, 12, -12, -45, 0});
}

TEST(Definitions, PowersHaveGradientsWhereTheyHaveNoLogarithm) {
  const TensorSpec spec{{5}};
  const Floats x{2, 0, 0, 3, -2}, y{3, 2, 0, 0, 2};
  const BinaryOp power{Binary::kPower, spec, spec, spec, {}};
  expect_values(power, {x, y}, {}, {8, 0, 1, 1, 4});
  const Floats ones{1, 1, 1, 1, 1};
  expect_values(BinaryGradient{power, 0, spec}, {x, y, ones}, {}, {12, 0, 0, 0, -4});
  const TensorSpec four{{4}};
  const BinaryOp of_four{Binary::kPower, four, four, four, {}};
  expect_values(BinaryGradient{of_four, 1, four}, {{2, 0, 0, 3}, {3, 2, 0, 0}, {1, 1, 1, 1}}, {},
                {5.545177, 0, 0, 1.098612});
}

TEST(Definitions, ComparisonsAreOneWhereTheyHold) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TensorSpec spec{{5}}, one{{1}};
  const auto expect = [&](Binary kind, const Floats& wanted) {
    const BinaryOp op{kind, spec, one, spec, {}};
    const Floats x{-1, 2, 3, nan, 2.5}, y{2};
    expect_values(op, {x, y}, {}, wanted);
    expect_values(BinaryGradient{op, 0, spec}, {x, y, {1, 2, 3, 4, 5}}, {}, {0, 0, 0, 0, 0});
  };
  expect(Binary::kEqual, {0, 1, 0, 0, 0});
  expect(Binary::kGreater, {0, 0, 1, 0, 1});
  expect(Binary::kGreaterEqual, {0, 1, 1, 0, 1});
}

TEST(Definitions, FunctionsOfTwoHaveLimitsWhereTheyHaveNoFormula) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const TensorSpec spec{{4}};
  const Floats ones{1, 1, 1, 1};
  const auto expect = [&](Binary kind, const Floats& x, const Floats& y, const Floats& wanted,
                          const Floats& slopes0, const Floats& slopes1) {
    SCOPED_TRACE(static_cast<int>(kind));
    const BinaryOp op{kind, spec, spec, spec, {}};
    expect_values(op, {x, y}, {}, wanted);
    expect_values(BinaryGradient{op, 0, spec}, {x, y, ones}, {}, slopes0);
    expect_values(BinaryGradient{op, 1, spec}, {x, y, ones}, {}, slopes1);
  };
  expect(Binary::kFmod, {7, -7, 7, -7}, {2, 2, -2, -2}, {1, -1, 1, -1}, ones, {-3, 3, 3, -3});
  expect(Binary::kArctan2, {1, 1, -1, 0}, {1, -1, -2, -3},
         {0.7853982, 2.356194, -2.677945, 3.141593}, {0.5, -0.5, -0.4, -0.3333333},
         {-0.5, -0.5, 0.2, 0});
  expect(Binary::kHypot, {3, 0, -3, 0}, {4, 0, 4, 2}, {5, 0, 5, 2}, {0.6, 0, -0.6, 0},
         {0.8, 0, 0.8, 1});
  expect(Binary::kLogaddexp, {0, 1000, -infinity, 1}, {0, 1, 2, -infinity}, {0.6931472, 1000, 2, 1},
         {0.5, 1, 0, 1}, {0.5, 0, 1, 0});
  expect(Binary::kHeaviside, {-2, 3, 0, -0.0F}, {7, 7, 7, 0.5}, {0, 1, 7, 0.5}, {0, 0, 0, 0},
         {0, 0, 1, 1});
  expect(Binary::kFmax, {nan, 1, 2, 5}, {3, nan, 2, 4}, {3, 1, 2, 5}, {0, 1, 0, 1}, {1, 0, 1, 0});
  expect(Binary::kFmin, {nan, 1, 2, 5}, {3, nan, 2, 4}, {3, 1, 2, 4}, {0, 1, 0, 0}, {1, 0, 1, 1});
}

TEST(Definitions, ArgsortIsStableWithNanBehindAllElse) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const AllBackends backends;
  const Argsort ascending{.x = {{2, 6}}, .y = {{2, 6}, DType::kInt32}};
  const Argsort descending{.x = {{2, 6}}, .y = {{2, 6}, DType::kInt32}, .descending = true};
  const Tensor x = Tensor::from<float>({3, nan, -1, 3, -infinity, -nan,  //
                                        -0.0F, 0, infinity, 1, -0.0F, 0},
                                       {2, 6});
  for (const auto& [name, backend] : backends.all) {
    const auto places = [&](const Argsort& op) {
      const Tensor y = run(*backend, *backend->make(op), op, {x});
      return std::vector<std::int32_t>(y.data<std::int32_t>().begin(),
                                       y.data<std::int32_t>().end());
    };
    EXPECT_EQ(places(ascending), (std::vector<std::int32_t>{4, 2, 0, 3, 1, 5, 0, 1, 4, 5, 3, 2}))
        << name;
    EXPECT_EQ(places(descending), (std::vector<std::int32_t>{1, 5, 0, 3, 2, 4, 2, 3, 1, 5, 0, 4}))
        << name;
  }
}

TEST(Definitions, ArgsortOfIntegersOfAnyWidthIsExact) {
  const AllBackends backends;
  const auto expect = [&](const Tensor& x, bool descending,
                          const std::vector<std::int32_t>& wanted) {
    const Argsort op{{x.shape(), x.dtype()}, {x.shape(), DType::kInt32}, descending};
    for (const auto& [name, backend] : backends.all) {
      const Tensor y = run(*backend, *backend->make(op), op, {x});
      EXPECT_EQ(
          std::vector<std::int32_t>(y.data<std::int32_t>().begin(), y.data<std::int32_t>().end()),
          wanted)
          << name << ", " << dtype_name(x.dtype());
    }
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const Tensor wide = Tensor::from<std::int64_t>({kMost, -kMost - 1, kMost - 1, 0}, {4});
  expect(wide, false, {1, 3, 2, 0});
  expect(wide, true, {0, 2, 3, 1});
  constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();
  const Tensor large = Tensor::from<std::uint64_t>({kLargest, 1, kLargest - 1, 0}, {4});
  expect(large, false, {3, 1, 2, 0});
  expect(large, true, {0, 2, 1, 3});
  expect(Tensor::from<std::int8_t>({5, -128, 127, 5}, {4}), true, {2, 0, 3, 1});
  expect(Tensor::from<std::int64_t>({2, 0, 1, 0}, {4}).cast(DType::kBool), false, {1, 3, 0, 2});
}

TEST(Definitions, SoftmaxAndItsLogarithmFollowTheirFormulas) {
  const Floats x{1, 2, 4, -1, 0, 3};
  Softmax op{.x = {{2, 3}}, .y = {{2, 3}}, .axes = {1}};
  expect_values(op, {x}, {}, {0.04201007, 0.1141952, 0.8437947, 0.01714783, 0.04661262, 0.9362395});
  op.log = true;
  expect_values(op, {x}, {}, {-3.169846, -2.169846, -0.169846, -4.065884, -3.065884, -0.06588391});
}

TEST(Definitions, TheLogarithmOfASoftmaxOfOneElementIsNought) {
  const Softmax op{.x = {{2, 1, 3}}, .y = {{2, 1, 3}}, .axes = {1}, .log = true};
  const AllBackends backends;
  for (const auto& [name, backend] : backends.all) {
    SCOPED_TRACE(name);
    const Tensor x = Tensor::from(Floats{-30, -1, 0, 0.7F, 3, 50}, {2, 1, 3});
    const Tensor y = run(*backend, *backend->make(op), op, {x});
    for (std::int64_t i = 0; i < y.size(); ++i) EXPECT_EQ(y.data<float>()[i], 0) << "element " << i;
  }
}

TEST(Definitions, NormalizationsScaleAndCenter) {
  const Floats x{1, 2, 4, -1, 0, 3};
  const Floats gamma{1, 2, 3};
  const Floats beta{0.5, 0, -1};
  LayerNorm layer{.x = {{2, 3}}, .y = {{2, 3}}, .axes = {1}};
  expect_values(layer, {x}, {gamma, beta},
                {-0.5687017, -0.5343511, 3.00763, -0.480411, -0.7843288, 3.117726});
  layer.rms = true;
  layer.center = false;
  expect_values(layer, {x}, {gamma}, {0.3779375, 1.51175, 4.53525, -0.5476404, 0, 4.928764});
  const BatchNorm batch{.x = {{2, 3}}, .y = {{2, 3}}, .axis = 1};
  expect_values(batch, {x}, {gamma, beta, {1, -1, 2}, {4, 1, 0.25}},
                {0.5, 5.997002, 10.97607, -0.4998751, 1.999001, 4.988035});
}

TEST(Definitions, MovementPutsElementsWhereTheyBelong) {
  const Pad pad{.x = {{2, 3}}, .y = {{2, 4}}, .before = {1, -1}, .after = {-1, 2}, .value = 7};
  expect_values(pad, {ascending(6)}, {}, {7, 7, 7, 7, 1, 2, 7, 7});
  const Transpose transpose{.x = {{2, 3, 1}}, .y = {{3, 1, 2}}, .perm = {1, 2, 0}};
  expect_values(transpose, {ascending(6)}, {}, {0, 3, 1, 4, 2, 5});
  const Concat concat{.xs = {{{2, 1}}, {{2, 2}}}, .y = {{2, 3}}, .axis = 1};
  expect_values(concat, {{1, 2}, {3, 4, 5, 6}}, {}, {1, 3, 4, 2, 5, 6});
  const Gather gather{.ids = {{3}}, .y = {{3, 2}}, .rows = 2};
  expect_values(gather, {{1, 0, 1.9F}}, {{10, 11, 20, 21}}, {20, 21, 10, 11, 20, 21});
  const Gather of_value{.ids = {{3}}, .y = {{3, 2}}, .rows = 2, .flows = true};
  expect_values(of_value, {{1, 0, 1.9F}, {10, 11, 20, 21}}, {}, {20, 21, 10, 11, 20, 21});
}

TEST(Definitions, GatherRefusesIdsThatAreNoRow) {
  const AllBackends backends;
  for (const auto& [name, backend] : backends.all) {
    const Gather op{.ids = {{2}}, .y = {{2, 1}}, .rows = 3};
    const KernelPtr kernel = backend->make(op);
    const std::vector<Tensor> table{Tensor::zeros({3, 1})};
    kernel->load_parameters(table);
    for (const float id : {3.0F, -1.0F, 1e30F, std::numeric_limits<float>::quiet_NaN()}) {
      EXPECT_THROW((void)run(*backend, *kernel, op, {Tensor::from<float>({0, id}, {2})}),
                   ValueError)
          << name << ", " << id;
    }
    EXPECT_EQ(run(*backend, *kernel, op, {Tensor::from<float>({0, 2}, {2})}).size(), 2) << name;
  }
}

void expect_wrapping(Backend& backend) {
  const TensorSpec spec{{2}, DType::kInt64};
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const auto apply = [&](Binary kind) {
    const BinaryOp op{kind, spec, spec, spec, {}};
    const KernelPtr kernel = backend.make(op);
    const Tensor result =
        run(backend, *kernel, op,
            {Tensor::from<std::int64_t>({most, -3}, {2}), Tensor::from<std::int64_t>({1, 4}, {2})});
    return std::vector<std::int64_t>(result.data<std::int64_t>().begin(),
                                     result.data<std::int64_t>().end());
  };
  EXPECT_EQ(apply(Binary::kAdd), (std::vector<std::int64_t>{-most - 1, 1}));
  EXPECT_EQ(apply(Binary::kMultiply), (std::vector<std::int64_t>{most, -12}));
  EXPECT_EQ(apply(Binary::kMaximum), (std::vector<std::int64_t>{most, 4}));
  EXPECT_EQ(apply(Binary::kGreater), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(apply(Binary::kEqual), (std::vector<std::int64_t>{0, 0}));
  const BinaryOp divide{Binary::kDivide, spec, spec, spec, {}};
  EXPECT_THROW((void)backend.make(divide), UnsupportedError);
}

TEST(Definitions, IntegersWrapAndAreMovedExactly) {
  const AllBackends backends;
  for (const auto& [name, backend] : backends.all) {
    SCOPED_TRACE(name);
    expect_wrapping(*backend);
  }
}

TEST(Definitions, CastsBetweenEveryPairOfDTypes) {
  const AllBackends backends;
  std::vector<DType> dtypes{
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) DType::enumerator,
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  };
  Random random(7);
  for (const auto& [name, backend] : backends.all) {
    for (const DType from : dtypes) {
      for (const DType to : dtypes) {
        const Cast op{{{50}, from}, {{50}, to}};
        const Tensor x = random_tensor({50}, from, random);
        const KernelPtr kernel = backend->make(op);
        EXPECT_TRUE(bitwise_equal(run(*backend, *kernel, op, {x}), x.cast(to)))
            << name << ": " << dtype_name(from) << " to " << dtype_name(to);
      }
    }
  }
}

TEST(Definitions, KeepHasZeroWhereItsMaskIsZeroWhateverLiesThere) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TensorSpec whole{{2, 2}}, rows{{2, 1}};
  const BinaryOp op{Binary::kKeep, whole, rows, whole, {}};
  expect_values(op, {{1, nan, 3, -4}, {0, 0.5F}}, {}, {0, 0, 3, -4});
  expect_values(BinaryGradient{op, 0, whole}, {{1, nan, 3, -4}, {0, 0.5F}, {5, nan, 7, 8}}, {},
                {0, 0, 7, 8});
  expect_values(BinaryGradient{op, 1, whole}, {{1, nan, 3, -4}, {0, 0.5F}, {5, 6, 7, 8}}, {},
                {0, 0, 0, 0});
}

TEST(Definitions, MaximumWithNaNIsNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const TensorSpec spec{{2}};
  const BinaryOp op{Binary::kMaximum, spec, spec, spec, {}};
  const AllBackends backends;
  for (const auto& [name, backend] : backends.all) {
    const KernelPtr kernel = backend->make(op);
    const Tensor result =
        run(*backend, *kernel, op,
            {Tensor::from<float>({nan, 1}, {2}), Tensor::from<float>({1, nan}, {2})});
    EXPECT_TRUE(std::isnan(result.data<float>()[0])) << name;
    EXPECT_TRUE(std::isnan(result.data<float>()[1])) << name;
  }
}

TEST(Definitions, EmptyBatchesAreNoTrouble) {
  const AllBackends backends;
  for (const auto& [name, backend] : backends.all) {
    const Dense op{.x = {{0, 3}}, .y = {{0, 2}}};
    const KernelPtr kernel = backend->make(op);
    const std::vector<Tensor> params{Tensor::zeros({3, 2})};
    kernel->load_parameters(params);
    EXPECT_EQ(run(*backend, *kernel, op, {Tensor::zeros({0, 3})}).size(), 0) << name;
    const MatMul empty{.x0 = {{2, 1, 0}}, .x1 = {{2, 0, 1}}, .y = {{2, 1, 1}}};
    const Tensor sums = run(*backend, *backend->make(empty), empty,
                            {Tensor::zeros({2, 1, 0}), Tensor::zeros({2, 0, 1})});
    EXPECT_TRUE(bitwise_equal(sums, Tensor::zeros({2, 1, 1}))) << name;
  }
}

}  // namespace
}  // namespace lamina::ops::contract
