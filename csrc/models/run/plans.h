#pragma once
#include <lamina/model.h>

#include <list>
#include <memory>

#include "graph/plan.h"
#include "models/run/graph_watch.h"

namespace lamina {

/// The plans of one model, most recently used first, as long as the models within it compute what
/// they did.
struct Model::Plans {
  using Signature = std::vector<ops::TensorSpec>;

  /// Where plans compute from now on; those for another device go. Throws ValueError when there are
  /// variables here and others there.
  void compute_with(const std::vector<VariablePtr>& variables);
  void compute_on(Device device);

  /// The plan for inputs of this signature, compiled if need be. With `released` weights, which
  /// cannot be packed again, one that needs them throws, and those that there are stay.
  graph::Plan& plan(Model& model, const Signature& signature, bool released);

  /// Runs one batch, cast to `dtypes`. With `released` weights a plan made earlier for a larger
  /// batch has to do, and zeros fill it up: `computed` says how many rows it ran.
  std::vector<Tensor> run(Model& model, std::vector<Tensor> batch, const std::vector<DType>& dtypes,
                          bool released, std::int64_t& computed);

 private:
  struct Entry {
    Signature signature;
    std::vector<Tensor> inputs, outputs;  ///< on another device, which keeps them from run to run
    std::unique_ptr<graph::Plan> plan;    ///< goes first: it may have recorded their places
  };
  Entry& entry(Model& model, const Signature& signature, bool released);
  std::vector<Tensor> run_there(Entry& entry, const std::vector<Tensor>& batch);
  void forget_outdated(const Model& model);
  const Entry* with_batch_at_least(const Signature& signature) const;

  // Each plan holds packed weights, so few are kept: a full batch, a last one, and two more.
  static constexpr std::size_t kPlans = 4;

  models::GraphWatch watch_;
  Device device_;
  std::shared_ptr<ops::Backend> backend_;
  std::list<Entry> entries_;
};

}  // namespace lamina
