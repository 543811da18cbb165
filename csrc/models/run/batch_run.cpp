#include "models/run/batch_run.h"

#include <algorithm>
#include <utility>

#include "models/run/plans.h"

namespace lamina::models {

bool any_released(const std::vector<VariablePtr>& variables) {
  return std::any_of(variables.begin(), variables.end(),
                     [](const VariablePtr& variable) { return variable->released(); });
}

BatchRun::BatchRun(Model& model) : model_(model) {
  const std::vector<VariablePtr> all = model.variables();
  model.plans().compute_with(all);
  released_ = any_released(all);
}

std::shared_ptr<ReadyBatch> BatchRun::ready(std::vector<Tensor> inputs) const {
  std::vector<DType> dtypes;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    dtypes.push_back(model_.input_dtype(i, inputs[i].dtype()));
  }
  return model_.plans().ready(std::move(inputs), dtypes, released_);
}

std::vector<Tensor> BatchRun::run(const ReadyBatch& batch, const Next& next) const {
  return model_.plans().run(model_, batch, released_, [&] {
    if (!next) return;
    try {
      if (ReadyBatch* const coming = next()) model_.plans().send(*coming);
    } catch (const std::exception&) {
      // It is tried again when it is run, which says what is wrong.
    }
  });
}

}  // namespace lamina::models
