#include "graph/passes/passes.h"

#include <gtest/gtest.h>

#include "graph/builder.h"
#include "graph/passes/rewriter.h"
#include "graph/verify.h"
#include "ops/reference/reference_backend.h"
#include "tests/graph/program_testing.h"
#include "tests/graph/random_program.h"

using namespace lamina;
using namespace lamina::graph;
using testkit::op_names;

namespace {

using Pass = Program (*)(Program);

/// Writes small programs: a 1x4x4x3 input, 3x3 convolutions that keep its shape.
class Passes : public ::testing::Test {
 protected:
  Passes() : x(program.add_value(image)) { program.inputs = {x}; }

  Param param(Shape shape, double low = -1, double high = 1) {
    return testkit::random_param(std::move(shape), DType::kFloat64, rng, low, high);
  }
  ValueId conv(ValueId from, bool bias = true) {
    ops::Conv2D op;
    op.x = builder.spec(from);
    op.y = image;
    op.kernel = {3, 3};
    op.bias = bias;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const std::int64_t missing = 4 + 2 - op.x.shape.dims()[axis + 1];
      op.pad_before[axis] = missing / 2;
      op.pad_after[axis] = missing - missing / 2;
    }
    std::vector<Param> params{param({3, 3, 3, 3})};
    if (bias) params.push_back(param({3}));
    return builder.emit(op, {from}, params);
  }
  ValueId norm(ValueId from) {
    ops::BatchNorm op{builder.spec(from), builder.spec(from), builder.shape(from).rank() - 1};
    return builder.emit(op, {from}, {param({3}), param({3}), param({3}), param({3}, 0.2, 3)});
  }
  ValueId silu(ValueId from) { return builder.activation(from, {ops::Unary::kSilu}); }
  ValueId add(ValueId a, ValueId b) { return builder.binary(ops::Binary::kAdd, a, b); }

  /// What `pass` makes of the program returning `outputs`; checks that it computes the same.
  Program applied(Pass pass, std::vector<ValueId> outputs) {
    program.outputs = std::move(outputs);
    Program after = pass(program);
    verify(after);
    const auto inputs = testkit::random_inputs(program, rng);
    const auto expected = testkit::run_naively(program, backend, inputs);
    const auto actual = testkit::run_naively(after, backend, inputs);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_LT(testkit::relative_difference(actual.at(i), expected[i]), 1e-12) << op_names(after);
    }
    return after;
  }

  const ops::TensorSpec image{{1, 4, 4, 3}, DType::kFloat64};
  std::mt19937_64 rng{testkit::fresh_seed()};
  ops::ReferenceBackend backend;
  Program program;
  Builder builder{program};
  ValueId x;
};

/// Cuts `x` up along `axis`, and puts each piece back where it was, among zeros.
class Pieces {
 public:
  Pieces(Builder& builder, ValueId x, std::size_t axis) : builder_(builder), x_(x), axis_(axis) {}
  ValueId operator()(std::int64_t begin, std::int64_t count) const {
    const ops::TensorSpec whole = builder_.spec(x_);
    ops::Pad cut{whole, whole, std::vector<std::int64_t>(whole.shape.rank(), 0), {}};
    cut.y.shape[static_cast<std::int64_t>(axis_)] = count;
    cut.after = cut.before;
    cut.before[axis_] = -begin;
    cut.after[axis_] = begin + count - whole.shape.dims()[axis_];
    const ValueId piece = builder_.emit(cut, {x_});
    ops::Pad back{cut.y, whole, cut.before, cut.after};
    for (std::int64_t& amount : back.before) amount = -amount;
    for (std::int64_t& amount : back.after) amount = -amount;
    return builder_.emit(back, {builder_.activation(piece, {ops::Unary::kTanh})});
  }

 private:
  Builder& builder_;
  ValueId x_;
  std::size_t axis_;
};

Program join_all_pads(Program program) {
  return join_pads(std::move(program), 0);
}

}  // namespace

TEST_F(Passes, FoldBatchNormIntoConvolution) {
  for (const bool bias : {true, false}) {
    EXPECT_EQ(op_names(applied(fold_batch_norm, {norm(conv(x, bias))})).substr(0, 6), "Conv2D");
  }
}

TEST_F(Passes, FoldBatchNormTwiceIntoOneConvolution) {
  EXPECT_EQ(op_names(applied(fold_batch_norm, {norm(norm(conv(x)))})), "Conv2D");
}

TEST_F(Passes, FoldBatchNormIntoDepthwiseConvolution) {
  ops::Conv2D op{image, image, {1, 1}};
  op.groups = 3;
  const ValueId y = builder.emit(op, {x}, {param({1, 1, 1, 3})});
  EXPECT_EQ(op_names(applied(fold_batch_norm, {norm(y)})), "Conv2D");
}

TEST_F(Passes, FoldBatchNormIntoTransposedConvolutionAndDense) {
  ops::Conv2DTranspose up;
  up.x = image;
  up.y = {{1, 8, 8, 3}, DType::kFloat64};
  up.kernel = up.strides = {2, 2};
  const ValueId a = norm(builder.emit(up, {x}, {param({2, 2, 3, 3})}));
  ops::Dense dense{builder.spec(a), builder.spec(a)};
  dense.bias = true;
  const ValueId b = norm(builder.emit(dense, {a}, {param({3, 3}), param({3})}));
  EXPECT_EQ(op_names(applied(fold_batch_norm, {b})), "Conv2DTranspose Dense");
}

TEST_F(Passes, FoldBatchNormFollowsItsVariables) {
  const ValueId y = norm(conv(x));
  const Program after = applied(fold_batch_norm, {y});
  for (const Op& op : std::vector<Op>(program.ops)) {
    for (const Param& param : op.params) {
      for (const VariablePtr& v : param.sources) {
        v->assign(testkit::random_tensor({v->shape(), v->dtype()}, rng, 0.5, 1));
      }
    }
  }
  EXPECT_EQ(op_names(applied(fold_batch_norm, {y})), op_names(after));
  EXPECT_EQ(after.ops[0].params[0].sources.size(), 3u);  // kernel, gamma, variance
  EXPECT_EQ(after.ops[0].params[1].sources.size(), 5u);  // bias, gamma, beta, mean, variance
}

TEST_F(Passes, FoldBatchNormLeavesWhatIsReadByOthersOrActivatedBefore) {
  const ValueId c = conv(x);
  EXPECT_EQ(op_names(applied(fold_batch_norm, {norm(c), c})), "Conv2D BatchNorm");
  const Program fused = fuse_activations(applied(fold_batch_norm, {norm(silu(conv(x)))}));
  EXPECT_NE(op_names(fold_batch_norm(fused)).find("BatchNorm"), std::string::npos);
}

TEST_F(Passes, FoldBatchNormLeavesOtherAxesAndHalfPrecision) {
  ops::BatchNorm rows{image, image, 1};
  const ValueId y =
      builder.emit(rows, {conv(x)}, {param({4}), param({4}), param({4}), param({4}, 1, 2)});
  EXPECT_EQ(op_names(applied(fold_batch_norm, {y})), "Conv2D BatchNorm");

  Program half;
  Builder b(half);
  const ops::TensorSpec spec{{1, 2, 2, 1}, DType::kFloat16};
  half.inputs = {half.add_value(spec)};
  const auto tiny = testkit::random_param({1}, DType::kFloat16, rng, 0, 0.001);
  const ValueId c = b.emit(ops::Conv2D{spec, spec}, half.inputs,
                           {testkit::random_param({1, 1, 1, 1}, DType::kFloat16, rng)});
  half.outputs = {b.emit(ops::BatchNorm{spec, spec}, {c}, {tiny, tiny, tiny, tiny})};
  EXPECT_EQ(op_names(optimize(half)), "Conv2D BatchNorm");
}

TEST_F(Passes, FuseActivationIntoItsOnlyReadersProducer) {
  EXPECT_EQ(op_names(applied(fuse_activations, {silu(conv(x))})), "Conv2D");
  const ValueId c = conv(x);
  EXPECT_EQ(op_names(applied(fuse_activations, {silu(c), c})), "Conv2D Conv2D Unary");
}

TEST_F(Passes, FuseActivationTakesOneAndStops) {
  EXPECT_EQ(op_names(applied(fuse_activations, {silu(silu(add(x, conv(x))))})),
            "Conv2D Binary Unary");
}

TEST_F(Passes, FuseActivationComesBeforeResidualsOnly) {
  // relu(conv + x) is not act(conv) + x.
  Program after = applied(fuse_residuals, {silu(add(x, conv(x)))});
  EXPECT_EQ(op_names(after), "Conv2D Unary");
  EXPECT_EQ(op_names(fuse_activations(after)), "Conv2D Unary");
}

TEST_F(Passes, FuseResidualIntoTheLaterConvolution) {
  const ValueId first = conv(x), second = silu(conv(first));
  const Program after =
      applied([](Program p) { return fuse_residuals(fuse_activations(p)); }, {add(second, first)});
  EXPECT_EQ(op_names(after), "Conv2D Conv2D");
  EXPECT_TRUE(std::get<ops::Conv2D>(after.ops[1].spec).residual);
  EXPECT_FALSE(std::get<ops::Conv2D>(after.ops[0].spec).residual);
}

TEST_F(Passes, FuseResidualNeedsTheOtherOperandFirst) {
  // The convolution comes first and what is added comes later from elsewhere.
  const ValueId c = conv(x), later = silu(x);
  EXPECT_EQ(op_names(applied(fuse_residuals, {add(c, later)})), "Conv2D Unary Binary");
}

TEST_F(Passes, FuseResidualLeavesSelfAdditionAndBroadcasts) {
  const ValueId c = conv(x);
  EXPECT_EQ(op_names(applied(fuse_residuals, {add(c, c)})), "Conv2D Binary");
  ops::Reduce reduce;
  reduce.x = image;
  reduce.y = {{1, 1, 1, 3}, DType::kFloat64};
  reduce.axes = {1, 2};
  const ValueId mean = builder.emit(reduce, {x});
  EXPECT_EQ(op_names(drop_dead(applied(fuse_residuals, {add(conv(x), mean)}))),
            "Reduce Conv2D Binary");
}

TEST_F(Passes, FoldPaddingIntoConvolutions) {
  const ops::TensorSpec larger{{1, 5, 6, 3}, DType::kFloat64};
  const ops::Pad op{image, larger, {0, 0, 2, 0}, {0, 1, 0, 0}, 0};
  const ValueId padded = builder.emit(op, {x});
  const Program after = applied(fold_padding, {conv(padded), conv(padded)});
  EXPECT_EQ(op_names(after), "Conv2D Conv2D");
  EXPECT_EQ(std::get<ops::Conv2D>(after.ops[0].spec).x, image);
}

TEST_F(Passes, FoldPaddingLeavesValuesChannelsAndCrops) {
  const auto with_pad = [&](std::vector<std::int64_t> before, std::vector<std::int64_t> after,
                            double value, Shape shape) {
    const ops::TensorSpec y{std::move(shape), DType::kFloat64};
    const ValueId padded =
        builder.emit(ops::Pad{image, y, std::move(before), std::move(after), value}, {x});
    return op_names(drop_dead(applied(fold_padding, {conv(padded)})));
  };
  EXPECT_EQ(with_pad({0, 1, 0, 0}, {0, 0, 0, 0}, 0.5, {1, 5, 4, 3}), "Pad Conv2D");
  EXPECT_EQ(with_pad({0, -1, 0, 0}, {0, 0, 0, 0}, 0, {1, 3, 4, 3}), "Pad Conv2D");
  EXPECT_EQ(with_pad({0, 0, 0, 1}, {0, 0, 0, -1}, 0, {1, 4, 4, 3}), "Pad Conv2D");
}

TEST_F(Passes, DropIdentitiesOfEveryKind) {
  ValueId y = builder.emit(ops::UnaryOp{image, image, {}}, {x});
  y = builder.emit(ops::Transpose{image, image, {0, 1, 2, 3}}, {y});
  y = builder.emit(ops::Pad{image, image, {0, 0, 0, 0}, {0, 0, 0, 0}, 7}, {y});
  y = builder.emit(ops::Cast{image, image}, {y});
  y = builder.emit(ops::Concat{{image}, image, 2}, {y});
  y = builder.emit(ops::Resize2D{ops::Resize2D::Kind::kBicubic, image, image}, {y});
  y = builder.emit(ops::Pool2D{ops::Pool2D::Kind::kAverage, image, image}, {y});
  y = builder.emit(ops::Reshape{image, image}, {y});
  const Program after = applied(drop_identities, {silu(y)});
  EXPECT_EQ(op_names(after), "Unary");
  EXPECT_EQ(after.ops[0].inputs, program.inputs);
  EXPECT_EQ(op_names(applied(drop_identities, {y})), "Unary");  // not returned, not an identity
}

TEST_F(Passes, DropIdentitiesMakesReshapesOfWhatOnlyMovesOnes) {
  const ops::TensorSpec moved{{4, 4, 1, 3}, DType::kFloat64}, flat{{4, 4, 3}, DType::kFloat64};
  const ValueId t = builder.emit(ops::Transpose{image, moved, {1, 2, 0, 3}}, {x});
  const ValueId r = builder.emit(ops::Reduce{ops::Reduce::Kind::kMean, moved, flat, {2}}, {t});
  const Program after = applied(drop_identities, {silu(r)});
  EXPECT_EQ(op_names(drop_dead(after)), "Reshape Unary");
  EXPECT_EQ(op_names(applied(drop_identities, {builder.transpose(x, {0, 2, 1, 3})})).substr(0, 7),
            "Reshape");
}

TEST_F(Passes, DropIdentitiesMakesOneOfTransposesInARow) {
  const ValueId first = builder.transpose(x, {3, 1, 0, 2});
  EXPECT_EQ(op_names(drop_dead(applied(
                drop_identities,
                {silu(builder.transpose(builder.transpose(first, {2, 0, 3, 1}), {0, 3, 1, 2}))}))),
            "Transpose Unary");
  const ValueId back = builder.transpose(first, {2, 1, 3, 0});
  EXPECT_EQ(op_names(drop_dead(applied(drop_identities, {silu(back)}))), "Unary");
}

TEST_F(Passes, SinkReshapesSinksTransposesToo) {
  const auto moved = [this] { return builder.transpose(conv(x), {0, 3, 1, 2}); };
  const auto of_channels = [this](ValueId from) {
    const ops::BatchNorm op{builder.spec(from), builder.spec(from), 1};
    return builder.emit(op, {from}, {param({3}), param({3}), param({3}), param({3}, 0.2, 3)});
  };
  EXPECT_EQ(op_names(applied(optimize, {silu(of_channels(moved()))})), "Conv2D Transpose");
  const ValueId shared = moved();
  EXPECT_EQ(op_names(drop_dead(applied(sink_reshapes, {silu(shared), shared}))),
            "Conv2D Transpose Unary");
}

TEST_F(Passes, SinkReshapesSinksSeveralInARow) {
  const auto turned = [this] {
    return builder.transpose(builder.reshape(conv(x), {4, 4, 3}), {1, 0, 2});
  };
  EXPECT_EQ(op_names(applied(sink_reshapes, {silu(norm(turned()))})),
            "Conv2D BatchNorm Unary Reshape Transpose");
  EXPECT_EQ(op_names(applied(optimize, {silu(norm(turned()))})), "Conv2D Reshape Transpose");
}

TEST_F(Passes, OptimizeDropsTransposesThatHadANormalisationBetweenThem) {
  const ValueId normal = norm(builder.transpose(conv(x), {0, 2, 1, 3}));
  const ValueId back = builder.transpose(normal, {0, 2, 1, 3});
  EXPECT_EQ(op_names(applied(optimize, {conv(silu(back))})), "Conv2D Conv2D");
}

TEST_F(Passes, SinkReshapesBesideWhatCanTakeThemIn) {
  const ValueId flat = builder.reshape(conv(x), {16, 3});
  EXPECT_EQ(op_names(applied(sink_reshapes, {silu(norm(flat))})), "Conv2D BatchNorm Unary Reshape");
  EXPECT_EQ(op_names(applied(optimize, {silu(norm(builder.reshape(conv(x), {16, 3})))})),
            "Conv2D Reshape");
}

TEST_F(Passes, SinkReshapesLeavesNormalisationOfAnotherAxis) {
  const ValueId flat = builder.reshape(conv(x), {16, 3});
  const ops::TensorSpec spec = builder.spec(flat);
  const ValueId y = builder.emit(ops::BatchNorm{spec, spec, 0}, {flat},
                                 {param({16}), param({16}), param({16}), param({16}, 1, 2)});
  EXPECT_EQ(op_names(applied(sink_reshapes, {y})), "Conv2D Reshape BatchNorm");
}

TEST_F(Passes, JoinPadsThatFillTheirSum) {
  const Pieces rows(builder, x, 1), channels(builder, x, 3);
  const ValueId a = add(add(rows(3, 1), rows(0, 1)), rows(1, 2));
  const ValueId b = add(channels(2, 1), channels(0, 2));
  EXPECT_EQ(op_names(applied(join_all_pads, {a, b})),
            "Pad Unary Pad Unary Pad Unary Concat Pad Unary Pad Unary Concat");
}

TEST_F(Passes, JoinPadsLeavesOtherSums) {
  const Pieces rows(builder, x, 1), channels(builder, x, 3);
  const ValueId gap = add(rows(0, 1), rows(2, 2));
  const ValueId twice = add(rows(0, 3), rows(2, 2));
  const ValueId crossed = add(rows(0, 2), channels(2, 1));
  const ValueId more = add(add(rows(0, 2), rows(2, 2)), silu(x));
  const ValueId read = rows(0, 2);
  const ValueId elsewhere = add(read, rows(2, 2));
  const Program after = applied(join_all_pads, {gap, twice, crossed, more, read, elsewhere});
  // Of the fourth the sum within is of pieces alone.
  EXPECT_EQ(after.ops.size(), program.ops.size() - 2) << op_names(after);
}

TEST_F(Passes, JoinPadsLeavesPiecesAmongOtherNumbersThanZero) {
  const Pieces rows(builder, x, 1);
  const ValueId sum = add(rows(0, 2), rows(2, 2));
  std::get<ops::Pad>(program.ops[program.ops.size() - 2].spec).value = 0.5;
  EXPECT_EQ(op_names(applied(join_all_pads, {sum})), "Pad Unary Pad Pad Unary Pad Binary");
}

TEST_F(Passes, JoinPadsLeavesWhatIsInFront) {
  const Pieces rows(builder, x, 1);
  program.outputs = {add(rows(0, 2), rows(2, 2))};
  const std::size_t last = program.ops.size() - 1;
  EXPECT_EQ(op_names(join_pads(program, last)), op_names(program));
  EXPECT_NE(op_names(join_pads(program, 0)), op_names(program));
}

TEST_F(Passes, DropDeadKeepsWhatOutputsNeed) {
  const ValueId used = silu(x);
  (void)conv(used);
  EXPECT_EQ(op_names(applied(drop_dead, {used})), "Unary");
}

TEST_F(Passes, SeparateOutputsCopiesInputsAndDuplicates) {
  const ValueId y = silu(x);
  const Program after = applied(separate_outputs, {x, y, y});
  EXPECT_EQ(op_names(after), "Unary Reshape Reshape");
}

TEST(RandomPasses, EachPassAndAllTogetherComputeTheSame) {
  std::mt19937_64 rng(testkit::fresh_seed());
  ops::ReferenceBackend backend;
  const std::vector<Pass> passes{
      drop_identities,  drop_dead,      sink_reshapes,    fold_padding, fold_batch_norm,
      fuse_activations, fuse_residuals, separate_outputs, optimize,     join_all_pads};
  for (int round = 0; round < 100; ++round) {
    const Program program = testkit::random_program(1 + rng() % 30, DType::kFloat64, rng);
    verify(program);
    const auto inputs = testkit::random_inputs(program, rng);
    const auto expected = testkit::run_naively(program, backend, inputs);
    for (std::size_t i = 0; i < passes.size(); ++i) {
      const Program after = passes[i](program);
      verify(after);
      const auto actual = testkit::run_naively(after, backend, inputs);
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_LT(testkit::relative_difference(actual[k], expected[k]), 1e-10)
            << "pass " << i << ": " << op_names(program) << " became " << op_names(after);
      }
    }
  }
}
