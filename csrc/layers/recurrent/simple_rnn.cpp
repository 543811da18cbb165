#include "layers/recurrent/recurrent_layer.h"

namespace lamina::layers {
namespace {

class SimpleRNNLayer final : public RecurrentLayer<SimpleRNNOptions> {
 public:
  explicit SimpleRNNLayer(const SimpleRNNOptions& options)
      : RecurrentLayer({"SimpleRNN", "SimpleRNNCell", "simple_rnn_cell", 1, 1}, options) {}

 protected:
  [[nodiscard]] Step step(Builder& builder, std::int64_t batch) override {
    const GateProduct product = recurrent_product(
        builder, value_of(builder, cell().recurrent_kernel()), state_masks(builder, batch), 0, 1);
    return [this, &builder, product](ValueId x, const States& before) {
      const ValueId sum = builder.binary(ops::Binary::kAdd, x, product(before[0]));
      return States{lower_activation(builder, sum, options_.activation)};
    };
  }
};

}  // namespace

LayerRef SimpleRNN(SimpleRNNOptions options) {
  return make_layer<SimpleRNNLayer>(options);
}

void describe(Config& config, SimpleRNNOptions& options) {
  config.unused({"seed"});
  describe_recurrent(config, options);
}

}  // namespace lamina::layers
