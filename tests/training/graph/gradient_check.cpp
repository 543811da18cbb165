#include "tests/training/graph/gradient_check.h"
#include "tests/fresh_seed.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace lamina::training::testkit {
namespace {

/// Elements of one tensor that are tried.
constexpr int kElements = 6;
constexpr double kStep = 1e-5;
constexpr RandomState kState{42, 7};

std::vector<Shape> shapes_of(const std::vector<Tensor>& tensors) {
  std::vector<Shape> shapes;
  for (const Tensor& tensor : tensors) shapes.push_back(tensor.shape());
  return shapes;
}

/// L = sum of weights * outputs, and what regularizers add.
class Loss {
 public:
  Loss(TrainGraph& graph, const std::vector<Tensor>& inputs, Random& random) : graph_(graph) {
    for (const Tensor& output : graph.forward(inputs, kState)) {
      weights.push_back(random_normal(output.shape(), DType::kFloat64, random));
    }
  }
  [[nodiscard]] double operator()(const std::vector<Tensor>& inputs) {
    const std::vector<Tensor>& outputs = graph_.forward(inputs, kState);
    double sum = graph_.penalty();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto y = outputs[i].data<double>();
      const auto w = weights[i].data<double>();
      for (std::size_t k = 0; k < y.size(); ++k) sum += y[k] * w[k];
    }
    return sum;
  }
  std::vector<Tensor> weights;

 private:
  TrainGraph& graph_;
};

/// (L(+h) - L(-h)) / 2h, and how much rounding may have moved it.
template <class Shift>
std::pair<double, double> difference(const Shift& loss_at, double h) {
  const double above = loss_at(h), below = loss_at(-h);
  return {(above - below) / (2 * h), 1e-14 * (std::abs(above) + std::abs(below)) / h};
}

/// Compares one element; false beside a kink. One output within a step of a kink would keep every
/// element before it from being compared: then a smaller step, which rounding moves more, has to
/// do.
template <class Shift>
bool matches(const Shift& loss_at, double gradient, double typical, const std::string& where) {
  for (const double step : {kStep, kStep / 9}) {
    const auto [wide, rounding] = difference(loss_at, step);
    const auto [narrow, finer] = difference(loss_at, step / 3);
    const double scale = std::max({std::abs(narrow), std::abs(gradient), typical});
    if (std::abs(wide - narrow) > 1e-6 * scale + rounding + finer) continue;
    EXPECT_NEAR(gradient, narrow, 1e-6 * scale + 10 * finer) << where;
    return true;
  }
  return false;
}

double typical_size(const Tensor& tensor) {
  double squares = 0;
  for (const double value : tensor.data<double>()) squares += value * value;
  return tensor.size() == 0 ? 0 : std::sqrt(squares / static_cast<double>(tensor.size()));
}

/// `loss_with(element, step)` is the loss with one element moved.
template <class LossWith>
void expect_elements(const Tensor& gradient, const std::string& where, Random& random,
                     const LossWith& loss_with) {
  ASSERT_TRUE(gradient.dtype() == DType::kFloat64) << where;
  const double typical = typical_size(gradient);
  int compared = 0;
  for (int i = 0; i < 2 * kElements && compared < kElements; ++i) {
    const auto k = static_cast<std::size_t>(pick(random, 0, gradient.size() - 1));
    const auto loss_at = [&](double step) { return loss_with(k, step); };
    if (matches(loss_at, gradient.data<double>()[k], typical,
                where + ", element " + std::to_string(k))) {
      ++compared;
    }
  }
  EXPECT_GE(compared, kElements / 2) << where << ": kinks everywhere";
}

Tensor moved(const Tensor& tensor, std::size_t element, double step) {
  Tensor copy = tensor.clone();
  copy.data<double>()[element] += step;
  return copy;
}

}  // namespace

Seeded::Seeded() : seed_(lamina::test::fresh_seed()), random_(seed_) {}

Tensor random_normal(const Shape& shape, DType dtype, Random& random) {
  Tensor values = Tensor::empty(shape, DType::kFloat64);
  std::normal_distribution<double> normal;
  for (double& value : values.data<double>()) value = normal(random);
  return values.cast(dtype);
}

Tensor random_ids(const Shape& shape, std::int64_t bound, DType dtype, Random& random) {
  Tensor values = Tensor::empty(shape, DType::kInt64);
  for (std::int64_t& value : values.data<std::int64_t>()) value = pick(random, 0, bound - 1);
  return values.cast(dtype);
}

void randomize(Model& model, Random& random) {
  for (const VariablePtr& variable : model.variables()) {
    if (!is_floating(variable->dtype())) continue;
    Tensor values = random_normal(variable->shape(), DType::kFloat64, random);
    const Shape& shape = variable->shape();
    const double terms = shape.rank() < 2 ? 1.0 : static_cast<double>(shape.size() / shape[-1]);
    const bool variance = variable->name().find("variance") != std::string::npos;
    for (double& value : values.data<double>()) {
      value = variance ? value * value + 0.1 : value / std::sqrt(terms);
    }
    variable->assign(values);
  }
}

ModelPtr model_of(const LayerRef& layer, const std::vector<Shape>& inputs,
                  const std::string& dtype) {
  SymbolicTensors placeholders;
  for (const Shape& shape : inputs) {
    placeholders.push_back(layers::Input({.dtype = dtype, .batch_shape = shape}));
  }
  return Functional::create(placeholders, layer->apply(placeholders));
}

void expect_gradients(Model& model, const std::vector<Tensor>& inputs, Random& random) {
  TrainGraph::Options options;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (is_floating(inputs[i].dtype())) options.inputs.push_back(i);
  }
  TrainGraph graph(model, shapes_of(inputs), Device::cpu(), options);
  Loss loss(graph, inputs, random);
  (void)graph.forward(inputs, kState);
  std::vector<Tensor> gradients;  // of their own: the differences run the graph again
  for (const Tensor& gradient : graph.backward(loss.weights)) gradients.push_back(gradient.clone());
  ASSERT_EQ(gradients.size(), graph.variables().size() + options.inputs.size());

  for (std::size_t i = 0; i < graph.variables().size(); ++i) {
    Variable& variable = *graph.variables()[i];
    ASSERT_EQ(gradients[i].shape(), variable.shape()) << variable.path();
    const Tensor value = variable.value();
    expect_elements(gradients[i], variable.path(), random, [&](std::size_t k, double step) {
      variable.assign(moved(value, k, step));
      return loss(inputs);
    });
    variable.assign(value);
  }
  for (std::size_t i = 0; i < options.inputs.size(); ++i) {
    const std::size_t input = options.inputs[i];
    const Tensor& gradient = gradients[graph.variables().size() + i];
    ASSERT_EQ(gradient.shape(), inputs[input].shape());
    expect_elements(gradient, "input " + std::to_string(input), random,
                    [&](std::size_t k, double step) {
                      std::vector<Tensor> shifted = inputs;
                      shifted[input] = moved(inputs[input], k, step);
                      return loss(shifted);
                    });
  }
}

}  // namespace lamina::training::testkit
