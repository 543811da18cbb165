#include <lamina/lamina.h>

#include <cstdio>
#include <random>
#include <vector>

using namespace lamina;

// What in Keras is
//
//   class ScaledResidual(keras.layers.Layer):
//       def __init__(self, units):
//           super().__init__()
//           self.dense = keras.layers.Dense(units, activation="tanh")
//       def build(self, input_shape):
//           self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones",
//                                        constraint="non_neg", name="scale")
//           self.dense.build(input_shape)
//       def call(self, x):
//           return x + self.dense(x) * self.scale
class ScaledResidual : public Layer {
 public:
  explicit ScaledResidual(std::int64_t units) : Layer(Base{}) {
    dense_ = track("dense", layers::Dense({.units = units, .activation = "tanh"}));
  }
  std::string class_name() const override { return "ScaledResidual"; }
  SymbolicTensors call(const SymbolicTensors& inputs) override {
    return {inputs[0] + (*dense_)(inputs[0]) * weight(scale_)};
  }

 protected:
  void on_build(const std::vector<Shape>& input_shapes) override {
    scale_ = add_weight({.shape = {input_shapes[0][-1]},
                         .initializer = "ones",
                         .constraint = "non_neg",
                         .name = "scale"});
  }

 private:
  LayerPtr dense_;
  VariablePtr scale_;
};

int main() {
  const auto x = layers::Input({.shape = {8}});
  const auto y = LayerRef(std::make_shared<ScaledResidual>(8))(x);
  const auto model = Functional::create(x, layers::Dense({.units = 1})(y));
  model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}), .loss = "mse"});

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows(256 * 8), sums(256, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) sums[i / 8] += rows[i] = normal(random);
  const Tensor data = Tensor::from(rows, {256, 8}), labels = Tensor::from(sums, {256, 1});
  const double before = model->evaluate(data, labels, {.verbose = Verbose::kSilent}).at("loss");
  model->fit(data, labels, {.epochs = 20, .verbose = Verbose::kSilent});
  const double after = model->evaluate(data, labels, {.verbose = Verbose::kSilent}).at("loss");

  // Keras loads it into a model of the same classes, and writes what load_weights reads.
  model->save_weights("own_layer.weights.h5");
  std::printf("loss %.3f -> %.3f\n", before, after);
  return after < before ? 0 : 1;
}
