#include "layers/recurrent/recurrent_cell.h"
#include "layers/recurrent/recurrent_layer.h"

namespace lamina::layers {
namespace {

class LSTMCellLayer final : public RecurrentCell<LSTMCellOptions> {
 public:
  explicit LSTMCellLayer(LSTMCellOptions options)
      : RecurrentCell({"LSTMCell", "inputs", 4, 2}, std::move(options)) {}

 protected:
  [[nodiscard]] Step step(Builder& builder, std::int64_t batch) override {
    const GateProduct product = recurrent_product(builder, value_of(builder, recurrent_kernel()),
                                                  state_masks(builder, batch), 0, 4);
    return [this, &builder, product](ValueId x, const States& before) {
      const ValueId sums = builder.binary(ops::Binary::kAdd, x, product(before[0]));
      const auto open = [&](std::int64_t i) {
        return lower_activation(builder, gate(builder, sums, i), options_.recurrent_activation);
      };
      const auto times = [&](ValueId a, ValueId b) {
        return builder.binary(ops::Binary::kMultiply, a, b);
      };
      const ValueId kept = times(open(1), before[1]);
      const ValueId news = lower_activation(builder, gate(builder, sums, 2), options_.activation);
      const ValueId carry = builder.binary(ops::Binary::kAdd, kept, times(open(0), news));
      const ValueId output = times(open(3), lower_activation(builder, carry, options_.activation));
      return States{output, carry};
    };
  }
};

using LSTMLayer = LayerOfCell<LSTMOptions, LSTMCellLayer, LSTMCellOptions>;

}  // namespace

LayerRef LSTMCell(LSTMCellOptions options) {
  return make_layer<LSTMCellLayer>(std::move(options));
}

LayerRef LSTM(LSTMOptions options) {
  return make_layer<LSTMLayer>("LSTM", "lstm_cell", std::move(options));
}

void describe(Config& config, LSTMCellOptions& options) {
  config.unused("seed", nullptr);
  describe_cell(config, options);
}

void describe(Config& config, LSTMOptions& options) {
  config.unused("seed", nullptr);
  describe_recurrent(config, options);
}

}  // namespace lamina::layers
