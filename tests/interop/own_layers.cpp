#include "own_layers.h"

#include <lamina/lamina.h>

namespace lamina::interop::zoo {
namespace {

using Shapes = std::vector<Shape>;

LayerRef dense(std::int64_t units = 4) {
  return layers::Dense({.units = units});
}

class Affine : public Layer {
 public:
  Affine() : Layer(Base{}) {}
  [[nodiscard]] std::string class_name() const override { return "Affine"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    return {inputs.at(0) * weight(scale_) + weight(shift_)};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    const Shape shape{inputs.at(0)[-1]};
    add_weight({.dtype = "int32", .trainable = false, .name = "calls"});
    scale_ = add_weight({.shape = shape,
                         .initializer = "ones",
                         .regularizer = regularizers::L2{0.05},
                         .name = "scale"});
    shift_ = add_weight({.shape = shape, .constraint = "non_neg", .name = "shift"});
  }

 private:
  VariablePtr scale_, shift_;
};

class Residual : public Layer {
 public:
  Residual() : Layer(Base{}) {
    zz_ = track("zz", layers::Dense({.units = 4, .activation = "tanh"}));
    frozen_ = track("frozen", layers::Dense({.units = 4, .trainable = false}));
  }
  [[nodiscard]] std::string class_name() const override { return "Residual"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    return {inputs.at(0) + (*frozen_)((*zz_)(inputs[0])) * weight(gain_)};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    gain_ = add_weight({.shape = {1, inputs.at(0)[-1]}, .name = "gain"});
  }

 private:
  LayerPtr zz_, frozen_;
  VariablePtr gain_;
};

class LayersWithWeights : public SubclassedModel {
 public:
  LayersWithWeights() {
    residual_ = track("residual", std::make_shared<Residual>());
    affine_ = track("affine", std::make_shared<Affine>());
    end_ = track("end", dense(2));
  }
  [[nodiscard]] std::string class_name() const override { return "LayersWithWeights"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const SymbolicTensor x = (*affine_)((*residual_)((*affine_)(inputs.at(0))));
    return {(*end_)(x)*weight(gate_)};
  }

 protected:
  void on_build(const Shapes&) override {
    gate_ = add_weight({.shape = {1, 2}, .initializer = "ones", .name = "gate"});
  }

 private:
  LayerPtr residual_, affine_, end_;
  VariablePtr gate_;
};

class Marked : public Layer {
 public:
  Marked() : Layer(Base{}) {}
  [[nodiscard]] std::string class_name() const override { return "Marked"; }
  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs,
                                     const CallContext& context) override {
    const SymbolicTensor mask = context.mask();
    if (!mask.defined()) return inputs;
    const SymbolicTensor steps = ops::cast(ops::expand_dims(mask, -1), inputs.at(0).dtype());
    return {inputs[0] + steps * weight(mark_)};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    mark_ = add_weight({.shape = {inputs.at(0)[-1]}, .name = "mark"});
  }

 private:
  VariablePtr mark_;
};

class Halves : public Layer {
 public:
  Halves() : Layer(Base{}) {}
  [[nodiscard]] std::string class_name() const override { return "Halves"; }
  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const Shape& shape = inputs.at(0).shape();
    return {ops::reshape(inputs[0], {-1, 2 * shape[1], shape[2] / 2})};
  }
  [[nodiscard]] SymbolicTensors compute_mask(const SymbolicTensors& inputs,
                                             const SymbolicTensors& previous) override {
    if (!previous.at(0).defined()) return {};
    const SymbolicTensor both = ops::stack({previous[0], previous[0]}, -1);
    return {ops::reshape(both, {-1, 2 * inputs.at(0).shape()[1]})};
  }
};

class OwnMasks : public SubclassedModel {
 public:
  OwnMasks() {
    words_ =
        track("words", layers::Embedding({.input_dim = 11, .output_dim = 6, .mask_zero = true}));
    marked_ = track("marked", std::make_shared<Marked>());
    halves_ = track("halves", std::make_shared<Halves>());
    end_ = track("end", dense(2));
    pool_ = track("pool", layers::GlobalAveragePooling1D());
    plain_ = track("plain", std::make_shared<Marked>());
  }
  [[nodiscard]] std::string class_name() const override { return "OwnMasks"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const SymbolicTensor x = (*halves_)((*marked_)((*words_)(inputs.at(0))));
    return {(*pool_)((*end_)((*plain_)(x)))};
  }

 private:
  LayerPtr words_, marked_, halves_, end_, pool_, plain_;
};

class Blend : public Layer {
 public:
  Blend() : Layer(Base{}) { inner_ = track("inner", dense()); }
  [[nodiscard]] std::string class_name() const override { return "Blend"; }
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"x"}, .tensors = {"other"}, .flags = {"twice"}};
  }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs,
                                     const CallContext& context) override {
    SymbolicTensor y = (*inner_)(inputs.at(0));
    const SymbolicTensor& other = context.tensor("other");
    if (other.defined()) y = y + other * weight(share_);
    if (context.training()) y = y + y;
    return {context.flag("twice") ? y + y : y};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    share_ = add_weight({.shape = {inputs.at(0)[-1]}, .name = "share"});
  }

 private:
  LayerPtr inner_;
  VariablePtr share_;
};

class OwnArguments : public SubclassedModel {
 public:
  OwnArguments() {
    blend_ = track("blend", std::make_shared<Blend>());
    end_ = track("end", dense(2));
  }
  [[nodiscard]] std::string class_name() const override { return "OwnArguments"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    const SymbolicTensor& x = inputs.at(0);
    const SymbolicTensor y = (*blend_)(x, {{"other", x}, {"twice", true}});
    return {(*end_)((*blend_)(y, {{"other", (*blend_)(x)}}))};
  }

 private:
  LayerPtr blend_, end_;
};

}  // namespace

ModelPtr layers_with_weights() {
  return std::make_shared<LayersWithWeights>();
}

ModelPtr weights_in_functional() {
  const SymbolicTensor x = layers::Input({.shape = {4}}), outer = layers::Input({.shape = {4}});
  const LayerRef inside = dense(), affine = std::make_shared<Affine>();
  const LayerRef inner = Functional::create(x, affine(inside(x)));
  const LayerRef end = dense(2), second = std::make_shared<Residual>(),
                 first = std::make_shared<Residual>();
  return Functional::create(outer, end(second(inner(first(outer)))));
}

ModelPtr own_masks() {
  return std::make_shared<OwnMasks>();
}

ModelPtr own_arguments() {
  return std::make_shared<OwnArguments>();
}

}  // namespace lamina::interop::zoo
