// A layer's call as it is lowered: what Keras's `Layer.__call__` does around `call`.
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>

#include "graph/builder.h"
#include "layers/access.h"
#include "layers/activity_penalty.h"
#include "layers/call_values.h"
#include "layers/naming.h"

namespace lamina {
namespace layers {
namespace {

using graph::Builder;
using graph::ValueId;

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

[[noreturn]] void refuse(const Layer& layer, const std::string& what) {
  throw ValueError(in_words(layer).append(": ").append(what));
}

Masks masks_of(const Builder& builder, const std::vector<ValueId>& values) {
  Masks masks;
  for (const ValueId value : values) masks.push_back(builder.mask(value));
  return masks;
}

bool any(const Masks& masks) {
  return std::any_of(masks.begin(), masks.end(), [](const auto& mask) { return mask.has_value(); });
}

/// The tensors of a call as the layer takes them.
struct Given {
  CallSignature signature;
  std::vector<ValueId> inputs;
  CallValues call;

  [[nodiscard]] bool lists() const { return signature.inputs.size() == 1; }
  [[nodiscard]] bool lacks(const std::string& name) const {
    return has(signature.tensors, name) && !call.tensor(name);
  }
  /// The argument `mask`, which may be a list; nothing where it is not given.
  [[nodiscard]] Masks mask_argument() const {
    if (const std::optional<ValueId> mask = call.tensor("mask")) return {mask};
    Masks masks;
    for (const std::string& name : signature.mask_list) masks.push_back(call.tensor(name));
    return any(masks) ? masks : Masks{};
  }
  /// The masks of the first argument, of those of all inputs.
  [[nodiscard]] Masks first(Masks masks) const {
    if (!lists() && masks.size() > 1) masks.resize(1);
    return masks;
  }
};

/// The arguments that are masks, where the call does not give them: those of the tensors that they
/// are named for, or of the only one. So the call of an LSTM that is given an `initial_state` has
/// no `mask` but by name.
void fill_masks(const Builder& builder, Given& given, const std::optional<ValueId>& noted) {
  const bool several = given.inputs.size() > 1;
  if ((given.lists() || !several) && given.call.tensors.empty()) {
    const std::vector<std::string>& listed = given.signature.mask_list;
    for (std::size_t i = 0; i < std::min(listed.size(), given.inputs.size()); ++i) {
      const std::optional<ValueId> mask = builder.mask(given.inputs[i]);
      if (mask) given.call.tensors[listed[i]] = *mask;
    }
    if (!given.lacks("mask") || several) return;
    const std::optional<ValueId> mask = noted ? noted : builder.mask(given.inputs[0]);
    if (mask) given.call.tensors["mask"] = *mask;
    return;
  }
  const auto fill = [&](const std::string& argument, ValueId value) {
    const std::string name = std::string(argument).append("_mask");
    const std::optional<ValueId> mask = builder.mask(value);
    if (mask && given.lacks(name)) given.call.tensors[name] = *mask;
  };
  const std::map<std::string, ValueId, std::less<>> tensors = given.call.tensors;
  for (const auto& [name, value] : tensors) fill(name, value);
  if (given.lists()) return;
  const std::vector<std::string>& names = given.signature.inputs;
  for (std::size_t i = 0; i < std::min(names.size(), given.inputs.size()); ++i) {
    fill(names[i], given.inputs[i]);
  }
}

}  // namespace

Access::Places Access::places(const Layer& layer, std::size_t count, const CallForm& form) {
  const CallSignature signature = layer.call_signature();
  const std::size_t by_place = count - form.keywords.size();
  constexpr std::size_t kMissing = static_cast<std::size_t>(-1);
  Places places;
  for (std::size_t i = 0; i < by_place; ++i) places.inputs.push_back(i);
  for (std::size_t i = by_place; i < count; ++i) {
    const std::string& name = form.keywords[i - by_place];
    const auto input = std::find(signature.inputs.begin(), signature.inputs.end(), name);
    if (input == signature.inputs.end()) {
      if (!has(signature.tensors, name)) {
        refuse(layer, "got an unexpected keyword argument '" + name + "'.");
      }
      if (!places.tensors.emplace(name, i).second) {
        refuse(layer, "takes one tensor, and no list, as its argument '" + name + "'.");
      }
      continue;
    }
    auto at = static_cast<std::size_t>(input - signature.inputs.begin());
    const bool goes_on = i > by_place && form.keywords[i - by_place - 1] == name;
    if (goes_on && signature.ends_in_list && at + 1 == signature.inputs.size()) {
      at = places.inputs.size();
    }
    if (at >= places.inputs.size()) places.inputs.resize(at + 1, kMissing);
    if (places.inputs[at] != kMissing) {
      refuse(layer, "got multiple values for argument '" + name + "'.");
    }
    places.inputs[at] = i;
  }
  places.inputs.resize(std::max(places.inputs.size(), signature.required), kMissing);
  const auto missing = std::find(places.inputs.begin(), places.inputs.end(), kMissing);
  if (missing != places.inputs.end()) {
    const auto at = static_cast<std::size_t>(missing - places.inputs.begin());
    refuse(layer, count == 0 ? "was applied to no inputs."
                             : "was called without the argument `" + signature.inputs[at] + "`.");
  }
  return places;
}

std::vector<ValueId> Access::lower(Layer& layer, Builder& builder,
                                   const std::vector<ValueId>& tensors, const CallForm& form,
                                   NotedMasks* noted, bool penalized) {
  const Places places = Access::places(layer, tensors.size(), form);
  const std::string outer = builder.set_layer(layer.name());
  // A value keeps its mask where it is cast.
  const auto converted = [&](std::size_t at) {
    ValueId id = tensors[at];
    if (layer.autocast() && is_floating(builder.dtype(id))) {
      const std::optional<ValueId> mask = builder.mask(id);
      id = builder.cast(id, layer.policy_.compute);
      builder.set_mask(id, mask);
    }
    return id;
  };
  // Not all calls were checked: a model that one before it calls may have lost layers since.
  std::vector<Shape> shapes;
  for (const std::size_t at : places.inputs) shapes.push_back(builder.shape(tensors[at]));
  layer.check_inputs(shapes);
  Given given{layer.call_signature(), {}, {{}, form.flags}};
  for (const std::size_t at : places.inputs) given.inputs.push_back(converted(at));
  for (const auto& [name, at] : places.tensors) given.call.tensors[name] = converted(at);
  const bool explicit_mask = !given.mask_argument().empty();
  fill_masks(builder, given,
             noted != nullptr && noted->argument ? noted->inputs.at(0) : std::nullopt);

  const Masks argument = given.mask_argument();
  const Masks previous =
      !argument.empty() ? argument : given.first(masks_of(builder, given.inputs));
  std::vector<ValueId> outputs = layer.on_lower_call(builder, given.inputs, given.call);
  if (penalized && layer.activity_regularizer_ && builder.penalizes()) {
    for (const ValueId output : outputs) penalize(builder, output, layer.activity_regularizer_);
  }

  const auto masks_after = [&](const Masks& before) {
    return layer.traces_call() ? traced_masks(layer, builder, given.inputs, before)
                               : layer.compute_mask(builder, given.inputs, before);
  };
  Masks made;
  if (layer.supports_masking()) {
    made = masks_after(previous);
    for (std::size_t i = 0; i < std::min(outputs.size(), made.size()); ++i) {
      if (made[i] && !builder.mask(outputs[i])) builder.set_mask(outputs[i], made[i]);
    }
  } else if (any(previous) && !layer.dropped_mask_.exchange(true)) {
    warn("Layer '" + layer.name() + "' (of type " + layer.class_name() +
         ") was passed an input with a mask attached to it. However, this layer does not support "
         "masking and will therefore destroy the mask information. Downstream layers will not see "
         "the mask.");
  }
  if (noted != nullptr && layer.supports_masking()) {
    Masks before = argument;
    if (!explicit_mask) {
      before.clear();
      for (const std::size_t at : places.inputs) before.push_back(noted->inputs[at]);
      before = given.first(std::move(before));
    }
    noted->outputs = before == previous ? made : masks_after(before);
  }
  builder.set_layer(outer);
  return outputs;
}

}  // namespace layers

layers::Masks Layer::compute_mask(graph::Builder&, const std::vector<graph::ValueId>&,
                                  const layers::Masks& previous) {
  return previous;
}

}  // namespace lamina
