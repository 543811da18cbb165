#include "layers/recurrent/recurrent_cell.h"
#include "layers/recurrent/recurrent_layer.h"

namespace lamina::layers {
namespace {

class SimpleRNNCellLayer final : public RecurrentCell<SimpleRNNCellOptions> {
 public:
  explicit SimpleRNNCellLayer(SimpleRNNCellOptions options)
      : RecurrentCell({"SimpleRNNCell", "sequence", 1, 1}, std::move(options)) {}

 protected:
  [[nodiscard]] Step step(Builder& builder, std::int64_t batch) override {
    const GateProduct product = recurrent_product(builder, value_of(builder, recurrent_kernel()),
                                                  state_masks(builder, batch), 0, 1);
    return [this, &builder, product](ValueId x, const States& before) {
      const ValueId sum = builder.binary(ops::Binary::kAdd, x, product(before[0]));
      return States{lower_activation(builder, sum, options_.activation)};
    };
  }
};

using SimpleRNNLayer = LayerOfCell<SimpleRNNOptions, SimpleRNNCellLayer, SimpleRNNCellOptions>;

}  // namespace

LayerRef SimpleRNNCell(SimpleRNNCellOptions options) {
  return make_layer<SimpleRNNCellLayer>(std::move(options));
}

LayerRef SimpleRNN(SimpleRNNOptions options) {
  return make_layer<SimpleRNNLayer>("SimpleRNN", "simple_rnn_cell", std::move(options));
}

void describe(Config& config, SimpleRNNCellOptions& options) {
  config.unused("seed", nullptr);
  describe_cell(config, options);
}

void describe(Config& config, SimpleRNNOptions& options) {
  config.unused({"seed"});
  describe_recurrent(config, options);
}

}  // namespace lamina::layers
