// Layers whose `call` says what they compute, and what follows from tracing it.
#include <lamina/error.h>

#include "graph/builder.h"
#include "layers/access.h"
#include "layers/call_values.h"
#include "layers/dtype_policy.h"
#include "layers/naming.h"
#include "layers/trace.h"

namespace lamina {
namespace layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// Placeholders to be made, and dealt out in the same order.
class Placeholders {
 public:
  void add(const ops::TensorSpec& spec) {
    shapes_.push_back(spec.shape);
    dtypes_.push_back(spec.dtype);
  }
  template <class Call>
  [[nodiscard]] Trace trace(const Call& call) const {
    return layers::trace(shapes_, dtypes_, call);
  }

 private:
  std::vector<Shape> shapes_;
  std::vector<DType> dtypes_;
};

/// Tensors of a list, one after another.
class Dealt {
 public:
  explicit Dealt(const SymbolicTensors& all) : all_(all) {}
  const SymbolicTensor& next() { return all_.at(next_++); }
  SymbolicTensors next(std::size_t count) {
    SymbolicTensors some;
    while (some.size() < count) some.push_back(next());
    return some;
  }

 private:
  const SymbolicTensors& all_;
  std::size_t next_ = 0;
};

std::vector<ValueId> lower_trace(Builder& builder, const Trace& traced,
                                 const std::vector<ValueId>& values) {
  return lower_graph(builder, traced.inputs, traced.outputs, values, MasksOfCalls::kNone,
                     calls_as_made(traced.outputs));
}

[[noreturn]] void refuse(const Layer& layer, const std::string& what) {
  throw ValueError(in_words(layer).append(": ").append(what));
}

}  // namespace

CallSpecs Access::call_specs(const Layer& layer, const std::vector<ops::TensorSpec>& given,
                             const CallForm& form) {
  const auto taken = [&](std::size_t at) {
    ops::TensorSpec spec = given[at];
    if (layer.autocast() && is_floating(spec.dtype)) spec.dtype = layer.policy_.compute;
    return spec;
  };
  const Places places = Access::places(layer, given.size(), form);
  CallSpecs call;
  for (const std::size_t at : places.inputs) call.inputs.push_back(taken(at));
  for (const auto& [name, at] : places.tensors) call.tensors.emplace(name, taken(at));
  call.flags = form.flags;
  return call;
}

CallContext Access::context_of(const Layer& layer, const CallSpecs& call) {
  const CallSignature signature = layer.call_signature();
  CallContext context;
  context.layer_ = in_words(layer);
  for (const std::string& name : signature.tensors) context.tensors_[name];
  for (const std::string& name : signature.flags) context.flags_[name] = false;
  for (const std::string& name : call.flags) context.flags_[name] = true;
  context.masks_.resize(call.inputs.size());
  context.training_ = call.training;
  return context;
}

Trace Access::trace_call(Layer& layer, const CallSpecs& call) {
  Placeholders placeholders;
  for (const ops::TensorSpec& spec : call.inputs) placeholders.add(spec);
  for (const auto& [name, spec] : call.tensors) placeholders.add(spec);
  for (const auto& [input, spec] : call.masks) placeholders.add(spec);
  return placeholders.trace([&](const SymbolicTensors& all) {
    Dealt dealt(all);
    const SymbolicTensors inputs = dealt.next(call.inputs.size());
    CallContext context = context_of(layer, call);
    for (const auto& [name, spec] : call.tensors) context.tensors_[name] = dealt.next();
    for (const auto& [input, spec] : call.masks) context.masks_.at(input) = dealt.next();
    const auto mask = context.tensors_.find("mask");
    const bool given = mask != context.tensors_.end() && mask->second.defined();
    if (given && !inputs.empty()) context.masks_[0] = mask->second;
    const PolicyOfCall policy(&layer.policy_);
    SymbolicTensors outputs = layer.call(inputs, context);
    if (outputs.empty()) refuse(layer, "Its `call` returned no tensor.");
    for (const SymbolicTensor& output : outputs) {
      if (!output.defined()) refuse(layer, "Its `call` returned an undefined tensor.");
    }
    return outputs;
  });
}

Trace Access::trace_build(Layer& layer, const std::vector<Shape>& input_shapes) {
  if (layer.building_call_ != nullptr) return trace_call(layer, *layer.building_call_);
  CallSpecs call;
  for (const Shape& shape : input_shapes) call.inputs.push_back({shape, layer.policy_.compute});
  return trace_call(layer, call);
}

std::vector<ops::TensorSpec> Access::output_specs(Layer& layer,
                                                  const std::vector<ops::TensorSpec>& given,
                                                  const CallForm& form) {
  std::vector<ops::TensorSpec> outputs;
  if (layer.traces_call()) {
    const Trace traced = trace_call(layer, call_specs(layer, given, form));
    for (const SymbolicTensor& output : traced.outputs) {
      outputs.push_back({output.shape(), output.dtype()});
    }
    return outputs;
  }
  if (auto* by_call = dynamic_cast<OutputsByCall*>(&layer)) {
    return by_call->output_specs(call_specs(layer, given, form));
  }
  std::vector<Shape> shapes;
  std::vector<DType> dtypes;
  for (const std::size_t at : places(layer, given.size(), form).inputs) {
    shapes.push_back(given[at].shape);
    dtypes.push_back(given[at].dtype);
  }
  shapes = layer.compute_output_shape(shapes);
  dtypes = layer.compute_output_dtype(dtypes);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    outputs.push_back({shapes[i], dtypes.size() == 1 ? dtypes[0] : dtypes.at(i)});
  }
  return outputs;
}

std::vector<ValueId> Access::lower_traced(Layer& layer, Builder& builder,
                                          const std::vector<ValueId>& inputs,
                                          const CallValues& given) {
  CallSpecs call;
  call.flags = given.flags;
  call.training = builder.training();
  std::vector<ValueId> values = inputs;
  for (const ValueId input : inputs) call.inputs.push_back(builder.spec(input));
  for (const auto& [name, value] : given.tensors) {
    call.tensors.emplace(name, builder.spec(value));
    values.push_back(value);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::optional<ValueId> mask = builder.mask(inputs[i]);
    if (!mask) continue;
    call.masks.emplace(i, builder.spec(*mask));
    values.push_back(*mask);
  }
  return lower_trace(builder, trace_call(layer, call), values);
}

Masks Access::traced_masks(Layer& layer, Builder& builder, const std::vector<ValueId>& inputs,
                           const Masks& previous) {
  Placeholders placeholders;
  std::vector<ValueId> values = inputs;
  for (const std::optional<ValueId>& mask : previous) {
    if (mask) values.push_back(*mask);
  }
  for (const ValueId value : values) placeholders.add(builder.spec(value));
  SymbolicTensors masks;
  const Trace traced = placeholders.trace([&](const SymbolicTensors& all) {
    Dealt dealt(all);
    const SymbolicTensors given = dealt.next(inputs.size());
    SymbolicTensors before;
    for (const std::optional<ValueId>& mask : previous) {
      before.push_back(mask ? dealt.next() : SymbolicTensor());
    }
    const PolicyOfCall policy(&layer.policy_);
    masks = layer.compute_mask(given, before);
    SymbolicTensors made;
    for (const SymbolicTensor& mask : masks) {
      if (mask.defined()) made.push_back(mask);
    }
    return made;
  });
  const std::vector<ValueId> lowered = lower_trace(builder, traced, values);
  Masks out;
  std::size_t next = 0;
  for (const SymbolicTensor& mask : masks) {
    out.push_back(mask.defined() ? std::optional(lowered.at(next++)) : std::nullopt);
  }
  return out;
}

}  // namespace layers

const SymbolicTensor& CallContext::tensor(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it != tensors_.end()) return it->second;
  throw ValueError(std::string(layer_).append(": its `call_signature` has no tensor '") + name +
                   "'.");
}

bool CallContext::flag(const std::string& name) const {
  const auto it = flags_.find(name);
  if (it != flags_.end()) return it->second;
  throw ValueError(std::string(layer_).append(": its `call_signature` has no flag '") + name +
                   "'.");
}

SymbolicTensor CallContext::mask(std::size_t input) const {
  return input < masks_.size() ? masks_[input] : SymbolicTensor();
}

SymbolicTensors Layer::call(const SymbolicTensors&) {
  fail("does not define what it computes: override `call`.");
}

SymbolicTensors Layer::call(const SymbolicTensors& inputs, const CallContext&) {
  return call(inputs);
}

SymbolicTensors Layer::compute_mask(const SymbolicTensors&, const SymbolicTensors& previous) {
  return previous;
}

std::vector<Shape> Layer::compute_output_shape(const std::vector<Shape>& inputs) {
  layers::CallSpecs call;
  for (const Shape& shape : inputs) call.inputs.push_back({shape, policy_.compute});
  const layers::Trace traced = layers::Access::trace_call(*this, call);
  std::vector<Shape> shapes;
  for (const SymbolicTensor& output : traced.outputs) shapes.push_back(output.shape());
  return shapes;
}

std::vector<DType> Layer::compute_output_dtype(const std::vector<DType>&) {
  return {policy_.compute};
}

void Layer::finish_build(const std::vector<Shape>& input_shapes) {
  if (!attributes_.empty()) (void)layers::Access::trace_build(*this, input_shapes);
}

std::vector<graph::ValueId> Layer::on_lower_call(graph::Builder& builder,
                                                 const std::vector<graph::ValueId>& inputs,
                                                 const layers::CallValues& call) {
  return traces_call() ? layers::Access::lower_traced(*this, builder, inputs, call)
                       : on_lower(builder, inputs);
}

std::vector<graph::ValueId> Layer::on_lower(graph::Builder&, const std::vector<graph::ValueId>&) {
  fail("does not write the operations that it is made of.");
}

}  // namespace lamina
