#include "layers/recurrent/recurrent_cell.h"
#include "layers/recurrent/recurrent_layer.h"

namespace lamina::layers {
namespace {

class GRUCellLayer final : public RecurrentCell<GRUCellOptions> {
 public:
  explicit GRUCellLayer(const GRUCellOptions& options)
      : RecurrentCell({"GRUCell", "inputs", 3, 1, options.reset_after}, options) {}

 protected:
  /// With `reset_after` a row of the bias, whose other row the steps add.
  [[nodiscard]] const VariablePtr& input_bias() const override {
    return options_.reset_after ? none_ : bias();
  }
  [[nodiscard]] ValueId finished(Builder& builder, ValueId products) const override {
    if (!options_.reset_after || !bias()) return products;
    return plus(builder, products, bias_row(builder, 0));
  }

  [[nodiscard]] Step step(Builder& builder, std::int64_t batch) override {
    const ValueId kernel = value_of(builder, recurrent_kernel());
    const auto masks = state_masks(builder, batch);
    return options_.reset_after ? reset_after(builder, kernel, masks, batch)
                                : reset_before(builder, kernel, masks);
  }

 private:
  [[nodiscard]] Step reset_after(Builder& builder, ValueId kernel, std::optional<ValueId> masks,
                                 std::int64_t batch) {
    const GateProduct product = recurrent_product(builder, kernel, masks, 0, 3);
    const std::optional<ValueId> bias = repeated_bias(builder, batch);
    return [this, &builder, product, bias](ValueId x, const States& before) {
      const ValueId inner = plus(builder, product(before[0]), bias);
      const Gates gates =
          this->gates(builder, plus(builder, gates_of(builder, x), gates_of(builder, inner)));
      const ValueId reset = times(builder, gates.reset, gate(builder, inner, 2));
      return mixed(builder, gates.update, plus(builder, gate(builder, x, 2), reset), before[0]);
    };
  }

  [[nodiscard]] Step reset_before(Builder& builder, ValueId kernel, std::optional<ValueId> masks) {
    const GateProduct of_gates = recurrent_product(builder, kernel, masks, 0, 2);
    const GateProduct of_news = recurrent_product(builder, kernel, masks, 2, 1);
    return [this, &builder, of_gates, of_news](ValueId x, const States& before) {
      const Gates gates =
          this->gates(builder, plus(builder, gates_of(builder, x), of_gates(before[0])));
      const ValueId reset = of_news(times(builder, gates.reset, before[0]));
      return mixed(builder, gates.update, plus(builder, gate(builder, x, 2), reset), before[0]);
    };
  }

  [[nodiscard]] ValueId bias_row(Builder& builder, std::int64_t row) const {
    return slice(builder, value_of(builder, bias()), 0, row, 1);
  }
  /// What is added to each step's products, with rows for the batch: so its gradients are added up
  /// over the steps before they are over the batch.
  [[nodiscard]] std::optional<ValueId> repeated_bias(Builder& builder, std::int64_t batch) const {
    if (!bias()) return std::nullopt;
    const ValueId zeros = constant(builder, {batch, 3 * units()}, 0);
    return plus(builder, zeros, bias_row(builder, 1));
  }

  struct Gates {
    ValueId update, reset;
  };
  [[nodiscard]] Gates gates(Builder& builder, ValueId sums) const {
    const auto open = [&](std::int64_t i) {
      return lower_activation(builder, gate(builder, sums, i), options_.recurrent_activation);
    };
    return {open(0), open(1)};
  }
  /// Update and reset of all three.
  [[nodiscard]] ValueId gates_of(Builder& builder, ValueId all) const {
    return slice(builder, all, 1, 0, 2 * units());
  }
  /// The state before where the update gate is open, what is new where it is not.
  [[nodiscard]] States mixed(Builder& builder, ValueId update, ValueId sum, ValueId before) const {
    const ValueId news = lower_activation(builder, sum, options_.activation);
    const ValueId rest = builder.activation(update, {ops::Unary::kScaleShift, -1, 1});
    return {plus(builder, times(builder, update, before), times(builder, rest, news))};
  }

  static ValueId plus(Builder& builder, ValueId a, std::optional<ValueId> b) {
    return b ? builder.binary(ops::Binary::kAdd, a, *b) : a;
  }
  static ValueId times(Builder& builder, ValueId a, ValueId b) {
    return builder.binary(ops::Binary::kMultiply, a, b);
  }

  const VariablePtr none_ = nullptr;
};

using GRULayer = LayerOfCell<GRUOptions, GRUCellLayer, GRUCellOptions>;

}  // namespace

LayerRef GRUCell(GRUCellOptions options) {
  return make_layer<GRUCellLayer>(options);
}

LayerRef GRU(GRUOptions options) {
  return make_layer<GRULayer>("GRU", "gru_cell", std::move(options));
}

void describe(Config& config, GRUCellOptions& options) {
  config.unused("seed", nullptr);
  describe_cell(config, options);
}

void describe(Config& config, GRUOptions& options) {
  config.unused("seed", nullptr);
  describe_recurrent(config, options);
}

}  // namespace lamina::layers
