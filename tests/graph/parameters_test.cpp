#include "graph/parameters.h"

#include <gtest/gtest.h>

#include <lamina/error.h>

#include <set>

#include "core/variable_access.h"
#include "ops/reference/reference_backend.h"

using namespace lamina;
using namespace lamina::graph;

namespace {

/// Counts loads, and notes which variables held a value at each.
class WatchingKernel final : public ops::Kernel {
 public:
  explicit WatchingKernel(std::vector<VariablePtr> watched) : watched_(std::move(watched)) {}
  void load_parameters(std::span<const Tensor> params) override {
    ++loads;
    alive.clear();
    for (const VariablePtr& v : watched_) {
      if (v->materialized()) alive.insert(v->name());
    }
    sum = 0;
    for (const Tensor& t : params) sum += t.data<float>()[0];
  }
  void run(const ops::KernelArgs&) override {}

  int loads = 0;
  float sum = 0;
  std::set<std::string> alive;

 private:
  std::vector<VariablePtr> watched_;
};

VariablePtr variable(const std::string& name, float value) {
  return std::make_shared<Variable>(name, Tensor::from<float>({value}, {1}));
}
Param of(const VariablePtr& v) {
  return Param::of(v, DType::kFloat32);
}

struct TwoKernels : ::testing::Test {
  TwoKernels() {
    parameters.add(first, first_params);
    parameters.add(second, second_params);
  }
  VariablePtr a = variable("a", 1), b = variable("b", 2), shared = variable("shared", 4);
  std::vector<Param> first_params{of(a), of(shared)}, second_params{of(shared), of(b)};
  WatchingKernel first{{a, b, shared}}, second{{a, b, shared}};
  Parameters parameters{std::make_shared<ops::ReferenceBackend>()};
};

using Names = std::set<std::string>;

}  // namespace

TEST_F(TwoKernels, ArePackedOnceUntilAVariableChanges) {
  parameters.refresh(false);
  parameters.refresh(false);
  EXPECT_EQ(first.loads, 1);
  EXPECT_EQ(second.loads, 1);
  b->assign(Tensor::from<float>({8}, {1}));
  parameters.refresh(false);
  EXPECT_EQ(first.loads, 1);
  EXPECT_EQ(second.loads, 2);
  EXPECT_EQ(second.sum, 12);
  shared->assign(Tensor::from<float>({16}, {1}));
  parameters.refresh(false);
  EXPECT_EQ(first.sum, 17);
  EXPECT_EQ(second.sum, 24);
}

TEST_F(TwoKernels, ReleaseEachVariableAfterItsLastReader) {
  parameters.refresh(true);
  EXPECT_EQ(first.alive, (Names{"a", "b", "shared"}));
  EXPECT_EQ(second.alive, (Names{"b", "shared"}));
  EXPECT_TRUE(a->released() && b->released() && shared->released());
}

TEST_F(TwoKernels, ReleaseWhatWasPackedBeforeAtOnce) {
  parameters.refresh(false);
  b->assign(Tensor::from<float>({8}, {1}));
  parameters.refresh(true);
  EXPECT_EQ(first.loads, 1);
  EXPECT_EQ(second.alive, (Names{"b", "shared"}));
  EXPECT_TRUE(a->released() && b->released() && shared->released());
}

TEST(Parameters, LazyVariablesAreMadeOneAfterTheOther) {
  std::size_t made = 0;
  const auto lazy = [&](const std::string& name) {
    return std::make_shared<Variable>(name, Shape{1}, DType::kFloat32,
                                      [&made](const Shape& shape, DType dtype) {
                                        ++made;
                                        return Tensor::zeros(shape, dtype);
                                      });
  };
  const VariablePtr a = lazy("a"), b = lazy("b");
  const std::vector<Param> of_a{of(a)}, of_b{of(b)};
  WatchingKernel first({a, b}), second({a, b});
  Parameters parameters{std::make_shared<ops::ReferenceBackend>()};
  parameters.add(first, of_a);
  parameters.add(second, of_b);
  EXPECT_EQ(made, 0u);
  parameters.refresh(true);
  EXPECT_EQ(made, 2u);
  EXPECT_EQ(first.alive, Names{"a"});
  EXPECT_EQ(second.alive, Names{"b"});
}

TEST(Parameters, TheLargestArePackedFirstWhenVariablesAreReleased) {
  const auto of_size = [](const std::string& name, std::int64_t size) {
    return std::make_shared<Variable>(name, Tensor::zeros({size}));
  };
  const VariablePtr small = of_size("small", 2), large = of_size("large", 9),
                    mid = of_size("mid", 5);
  const std::vector<Param> of_small{of(small)}, of_large{of(large)}, of_mid{of(mid)};
  WatchingKernel first({small, large, mid}), second({small, large, mid}),
      third({small, large, mid});
  Parameters parameters{std::make_shared<ops::ReferenceBackend>()};
  parameters.add(first, of_small);
  parameters.add(second, of_large);
  parameters.add(third, of_mid);
  parameters.refresh(true);
  EXPECT_EQ(second.alive, (Names{"small", "large", "mid"}));
  EXPECT_EQ(third.alive, (Names{"small", "mid"}));
  EXPECT_EQ(first.alive, Names{"small"});
}

TEST_F(TwoKernels, GoOnAfterAThrow) {
  core::VariableAccess::release(*shared);
  EXPECT_THROW(parameters.refresh(false), ValueError);
  EXPECT_EQ(first.loads, 0);
  shared->assign(Tensor::from<float>({1}, {1}));
  parameters.refresh(false);
  EXPECT_EQ(first.sum, 2);
  EXPECT_EQ(second.sum, 3);
}
