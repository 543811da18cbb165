#pragma once
#include <lamina/model.h>

#include <functional>
#include <list>
#include <memory>

#include "graph/plan.h"
#include "models/run/batch_run.h"
#include "models/run/carried_states.h"
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

  /// One batch for `run`, cast to `dtypes`. With `released` weights a plan made earlier for a
  /// larger batch has to do, and zeros fill it up.
  [[nodiscard]] std::shared_ptr<models::ReadyBatch> ready(std::vector<Tensor> batch,
                                                          const std::vector<DType>& dtypes,
                                                          bool released) const;
  /// Has it travel to the device on which its plan runs, if there is one. Throws DeviceError.
  void send(models::ReadyBatch& batch);
  /// Its outputs; a device that computes them calls `meanwhile`, which throws nothing.
  [[nodiscard]] std::vector<Tensor> run(Model& model, const models::ReadyBatch& batch,
                                        bool released, const std::function<void()>& meanwhile);

 private:
  struct Entry {
    Signature signature;
    std::unique_ptr<graph::InputPlaces> inputs;  ///< of another device, which keeps them and
    std::vector<Tensor> outputs;                 ///< these from run to run
    models::CarriedStates states;
    std::size_t own_outputs;            ///< the model's, in front of these states
    std::unique_ptr<graph::Plan> plan;  ///< goes first: it may have recorded their places
  };
  Entry& entry(Model& model, const Signature& signature, bool released);
  /// What a run leaves to the next one of all that it gave.
  void carry(const Entry& entry, const std::vector<Tensor>& outputs) const;
  std::vector<Tensor> run_there(Entry& entry, const models::ReadyBatch& batch,
                                const std::function<void()>& meanwhile);
  void forget_outdated(const Model& model);
  const Entry* with_batch_at_least(const Signature& signature) const;

  // Each plan holds packed weights, so few are kept: a full batch, a last one, and two more.
  static constexpr std::size_t kPlans = 4;

  models::GraphWatch watch_;
  Device device_;
  std::shared_ptr<ops::Backend> backend_;
  std::shared_ptr<runtime::UploadStage> stage_;  ///< of all plans: one runs at a time
  std::list<Entry> entries_;
};

}  // namespace lamina
