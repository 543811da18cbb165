#include <lamina/error.h>
#include <lamina/model.h>

#include <algorithm>
#include <optional>
#include <string>

#include "layers/access.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/recurrent/build_within.h"
#include "layers/recurrent/by_sample.h"
#include "layers/recurrent/recurrence.h"

namespace lamina::layers {
namespace {

class TimeDistributedLayer final : public LibraryLayer<TimeDistributedOptions> {
 public:
  explicit TimeDistributedLayer(TimeDistributedOptions options)
      : LibraryLayer("TimeDistributed", std::move(options)) {
    if (!options_.layer) {
      fail(
          "Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. "
          "Received: None");
    }
    (void)track("layer", options_.layer);
  }

  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] CallSignature call_signature() const override { return {.tensors = {"mask"}}; }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const Shapes each = inner().compute_output_shape({step_shape(inputs.at(0))});
    if (each.size() != 1) {
      fail("takes a layer with one output. Received one with " + std::to_string(each.size()));
    }
    Shape out{each[0][0], inputs[0][1]};
    for (std::size_t i = 1; i < each[0].rank(); ++i) out.push_back(each[0].dims()[i]);
    return {out};
  }
  /// What is not floating stays as the layer gives it.
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs) override {
    const DType given = inner().compute_output_dtype(inputs).at(0);
    return {is_floating(given) ? compute_dtype() : given};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    const Shape step = step_shape(inputs.at(0));
    (void)Access::places(inner(), 1, {});  // throws where one tensor is not enough
    build_within(*this, inner(), {step});
  }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const Shape shape = builder.shape(inputs.at(0));
    (void)step_shape(shape);
    const std::int64_t count = shape[1];
    if (count == 0) fail("Received a sequence without steps.");
    std::optional<ValueId> mask = call.tensor("mask");
    if (mask) check_mask(builder.shape(*mask), shape);
    mask = mask && takes_mask() ? std::optional(rows_by_step(builder, *mask)) : std::nullopt;
    const ValueId x = rows_by_step(builder, inputs[0]);
    if (goes_by_sample(inner(), builder)) return {at_once(builder, x, mask, count)};
    if (count > kMostSteps) {
      fail("Received a sequence of " + std::to_string(count) + " steps; at most " +
           std::to_string(kMostSteps) + " can be computed one by one.");
    }
    Steps steps(builder, x, count);
    std::optional<Steps> masks;
    if (mask) masks.emplace(builder, *mask, count);
    Ids outputs;
    for (std::int64_t i = 0; i < count; ++i) {
      if (masks) mask = masks->at(i);
      outputs.push_back(lowered(builder, steps.at(i), mask));
    }
    return {time_first(builder, joined(builder, outputs))};
  }

 private:
  [[nodiscard]] Layer& inner() const { return *options_.layer; }

  /// Of the input of one step.
  [[nodiscard]] Shape step_shape(const Shape& input) const {
    if (input.rank() < 3) {
      fail(
          "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
          "received: " +
          input.str());
    }
    return without_axis(input, 1);
  }

  void check_mask(const Shape& mask, const Shape& input) const {
    if (mask.rank() < 2) {
      fail(
          "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., "
          "`(batch_size, timesteps)`), but it has " +
          std::to_string(mask.rank()) + " dimension(s) with shape " + mask.str() + ".");
    }
    if (mask[0] == input[0] && mask[1] == input[1]) return;
    fail("The `mask` passed to the `TimeDistributed` layer has a shape " + mask.str() +
         " that is incompatible with the input shape " + input.str() +
         ". The first two dimensions of the mask (batch size and timesteps) must match the "
         "input's first two dimensions. Expected mask shape prefix: " +
         Shape{input[0], input[1]}.str() + ".");
  }

  /// (batch, time, ...) -> (time * batch, ...).
  [[nodiscard]] static ValueId rows_by_step(Builder& builder, ValueId x) {
    return in_rows(builder, time_first(builder, x));
  }

  /// All steps as one batch: of each step on its own a plan would have a copy of the weights.
  [[nodiscard]] ValueId at_once(Builder& builder, ValueId x, const std::optional<ValueId>& mask,
                                std::int64_t steps) const {
    return time_first(builder, by_step(builder, lowered(builder, x, mask), steps));
  }

  /// Steps carry no mask: it is given to a layer whose call has such an argument, which those of
  /// models in Keras have, and to no other.
  [[nodiscard]] ValueId lowered(Builder& builder, ValueId x,
                                const std::optional<ValueId>& mask) const {
    Ids tensors{x};
    CallForm form;
    if (mask && is_model()) {
      builder.set_mask(x, mask);
    } else if (mask) {
      tensors.push_back(*mask);
      form.keywords.emplace_back("mask");
    }
    const ValueId y = Access::lower(inner(), builder, tensors, form, nullptr, false).at(0);
    return is_floating(builder.dtype(y)) ? computable(builder, y) : y;
  }
  [[nodiscard]] bool is_model() const {
    return dynamic_cast<const Functional*>(&inner()) != nullptr ||
           dynamic_cast<const Sequential*>(&inner()) != nullptr;
  }
  [[nodiscard]] bool takes_mask() const {
    const std::vector<std::string> names = inner().call_signature().tensors;
    return is_model() || std::find(names.begin(), names.end(), "mask") != names.end();
  }
};

}  // namespace

LayerRef TimeDistributed(TimeDistributedOptions options) {
  return make_layer<TimeDistributedLayer>(std::move(options));
}

void describe(Config& config, TimeDistributedOptions& options) {
  config.required({"layer"});
  config.layer("layer", options.layer, false);
}

}  // namespace lamina::layers
