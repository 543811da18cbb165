#include "training/train_graph.h"

#include <algorithm>

#include "models/lowering.h"
#include "ops/backend.h"

namespace lamina::training {
namespace {

std::vector<ops::TensorSpec> input_specs(Model& model, const std::vector<Shape>& shapes) {
  if (!model.built()) model.build(shapes);
  const SymbolicTensors placeholders = model.inputs();
  if (placeholders.size() != shapes.size()) {
    throw ValueError("Model '" + model.name() + "' takes " + std::to_string(placeholders.size()) +
                     " inputs; received " + std::to_string(shapes.size()) + " shapes.");
  }
  std::vector<ops::TensorSpec> specs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& expected = placeholders[i].shape();
    bool fits = shapes[i].is_known() && shapes[i].rank() == expected.rank();
    for (std::size_t k = 0; fits && k < expected.rank(); ++k) {
      fits = expected.dims()[k] == kNone || expected.dims()[k] == shapes[i].dims()[k];
    }
    if (!fits) {
      throw ValueError("Input " + std::to_string(i) + " of model '" + model.name() +
                       "' should have the shape " + expected.str() + "; received " +
                       shapes[i].str() + ".");
    }
    specs.push_back({shapes[i], placeholders[i].dtype()});
  }
  return specs;
}

// The same arithmetic as Keras's, in the variable's dtype.
template <class T>
void follow(std::span<T> average, std::span<const T> batch, double momentum) {
  const T keep = static_cast<T>(momentum), take = static_cast<T>(1.0 - momentum);
  for (std::size_t i = 0; i < average.size(); ++i) {
    average[i] = average[i] * keep + batch[i] * take;
  }
}

}  // namespace

TrainGraph::TrainGraph(Model& model, const std::vector<Shape>& input_shapes, Device device)
    : TrainGraph(model, input_shapes, device, Options{}) {}

TrainGraph::TrainGraph(Model& model, const std::vector<Shape>& input_shapes, Device device,
                       const Options& options) {
  const std::vector<ops::TensorSpec> specs = input_specs(model, input_shapes);
  for (const ops::TensorSpec& spec : specs) input_dtypes_.push_back(spec.dtype);
  variables_ = model.trainable_variables();
  graph::Program program = models::lower_model(model, specs, graph::Builder::Mode::kTraining);
  for (const graph::MovingAverage& average : program.moving_averages) {
    const auto output =
        std::find(program.outputs.begin(), program.outputs.end(), average.statistics);
    averages_.push_back({average.variable,
                         static_cast<std::size_t>(output - program.outputs.begin()), average.row,
                         average.momentum});
  }
  outputs_count_ = model.outputs().size();
  plan_ = std::make_unique<graph::TrainingPlan>(
      std::move(program), graph::Wanted{outputs_count_, variables_, options.inputs},
      ops::make_backend(device),
      graph::PlanOptions{.optimize = options.optimize, .profile = options.profile});
}

void TrainGraph::update_averages(const std::vector<Tensor>& all_outputs) const {
  for (const Average& average : averages_) {
    Variable& variable = *average.variable;
    const DType dtype = variable.dtype();
    const Tensor statistics = all_outputs[average.output].cast(dtype);
    Tensor next = variable.value().clone();
    const auto size = static_cast<std::size_t>(next.size());
    dispatch(dtype, [&]<class T>(T) {
      if constexpr (std::is_floating_point_v<T>) {
        follow<T>(next.data<T>(),
                  statistics.data<T>().subspan(static_cast<std::size_t>(average.row) * size, size),
                  average.momentum);
      }
    });
    variable.assign(std::move(next));
  }
}

const std::vector<Tensor>& TrainGraph::forward(const std::vector<Tensor>& inputs,
                                               RandomState state) {
  std::vector<Tensor> cast = inputs;
  for (std::size_t i = 0; i < std::min(cast.size(), input_dtypes_.size()); ++i) {
    cast[i] = cast[i].cast(input_dtypes_[i]);
  }
  const std::vector<Tensor>& all = plan_->forward(cast, state);
  update_averages(all);
  outputs_.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(outputs_count_));
  return outputs_;
}

const std::vector<Tensor>& TrainGraph::backward(const std::vector<Tensor>& output_gradients) {
  return plan_->backward(output_gradients);
}

}  // namespace lamina::training
