#include "layers/recurrent/lstm_states.h"
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
      return lstm_states(
          builder, sums, before[1],
          [&](ValueId v) { return lower_activation(builder, v, options_.activation); },
          [&](ValueId v) { return lower_activation(builder, v, options_.recurrent_activation); });
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
