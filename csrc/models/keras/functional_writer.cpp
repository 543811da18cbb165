#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "layers/access.h"
#include "layers/config/object_config.h"
#include "layers/operations/operation.h"
#include "models/keras/keras_config.h"
#include "models/keras/model_parts.h"
#include "models/keras/nested_functional.h"

namespace lamina::models {
namespace {

using nlohmann::json;

class FunctionalWriter {
 public:
  explicit FunctionalWriter(const Functional& model) : model_(model), parts_(parts_of(model)) {
    for (const auto& call : parts_.calls) {
      std::vector<const layers::Node*>& calls = calls_[call->layer.get()];
      places_[call.get()] = calls.size();
      calls.push_back(call.get());
    }
  }

  json write(WrittenLayers& written) const {
    json layers = json::array();
    for (const LayerPtr& layer : parts_.operations) {
      json object = layer_to_object(*layer, written);
      object["name"] = layer->name();
      json& nodes = object["inbound_nodes"] = json::array();
      for (const layers::Node* call : calls_.at(layer.get())) {
        if (!call->inputs.empty()) nodes.push_back(node(*call));
      }
      layers.push_back(std::move(object));
    }
    json config = {{"name", model_.name()}, {"trainable", model_.trainable()}};
    config["layers"] = std::move(layers);
    const auto* nested = dynamic_cast<const NestedFunctional*>(&model_);
    const SymbolicTensors inputs = model_.inputs(), outputs = model_.outputs();
    config["input_layers"] = nested != nullptr ? origins(nested->nesting().inputs, inputs)
                                               : origins(flat(inputs.size()), inputs);
    config["output_layers"] = nested != nullptr ? origins(nested->nesting().outputs, outputs)
                                                : origins(flat(outputs.size()), outputs);
    return config;
  }

 private:
  /// One tensor, or a list of several.
  static json flat(std::size_t count) {
    if (count == 1) return 0;
    json list = json::array();
    for (std::size_t i = 0; i < count; ++i) list.push_back(i);
    return list;
  }

  json node(const layers::Node& call) const {
    json args = json::array(), keywords = json::object();
    const std::vector<std::string>& names = call.form.keywords;
    const CallSignature signature = call.layer->call_signature();
    const std::size_t by_place = call.inputs.size() - names.size();
    if (const auto* operation = dynamic_cast<const layers::Operation*>(call.layer.get())) {
      args = operands(operation->form().args, call);
      for (const auto& [key, value] : operation->form().keywords.items()) {
        keywords[key] = operands(value, call);
      }
    } else if (signature.inputs.size() > 1) {
      const std::size_t single = signature.ends_in_list ? signature.inputs.size() - 1 : by_place;
      for (std::size_t i = 0; i < by_place; ++i) {
        if (i < single) {
          args.push_back(tensor(call.inputs[i]));
        } else {
          put_named(signature.inputs.back(), tensor(call.inputs[i]), keywords);
        }
      }
    } else if (const auto* nested = taking_dictionary(call)) {
      json by_key = nested->nesting().inputs;
      for (json& item : by_key) item = tensor(call.inputs.at(item.get<std::size_t>()));
      args.push_back(std::move(by_key));
    } else if (takes_list(call)) {
      json list = json::array();
      for (std::size_t i = 0; i < by_place; ++i) list.push_back(tensor(call.inputs[i]));
      args.push_back(std::move(list));
    } else {
      args.push_back(tensor(call.inputs.front()));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      put_keyword(signature, names[i], tensor(call.inputs[by_place + i]), keywords);
    }
    for (const std::string& flag : call.form.flags) keywords[flag] = true;
    const auto list = keywords.find(signature.inputs.back());
    if (list != keywords.end()) nest(*list, signature.parts);
    return {{"args", std::move(args)}, {"kwargs", std::move(keywords)}};
  }

  /// The arguments of an operation with its tensors in their places.
  json operands(const json& value, const layers::Node& call) const {
    if (layers::is_tensor_argument(value)) {
      return tensor(call.inputs.at(value.at("tensor").get<std::size_t>()));
    }
    if (!value.is_array()) return value;
    json list = json::array();
    for (const json& item : value) list.push_back(operands(item, call));
    return list;
  }

  // Keras warns where such a model is given a list.
  static const NestedFunctional* taking_dictionary(const layers::Node& call) {
    const auto* nested = dynamic_cast<const NestedFunctional*>(call.layer.get());
    return nested != nullptr && is_dictionary(nested->nesting().inputs) ? nested : nullptr;
  }

  static bool takes_list(const layers::Node& call) {
    const bool model = dynamic_cast<const Model*>(call.layer.get()) != nullptr;
    const std::size_t by_place = call.inputs.size() - call.form.keywords.size();
    return by_place > 1 || (!model && layers::Access::takes_list(*call.layer));
  }

  static void put_keyword(const CallSignature& signature, const std::string& name, json tensor,
                          json& keywords) {
    const std::vector<std::string>& listed = signature.mask_list;
    const auto place = std::find(listed.begin(), listed.end(), name);
    if (place == listed.end()) return put_named(name, std::move(tensor), keywords);
    json& list = keywords["mask"];
    if (list.is_null()) list = json(listed.size(), json());
    list[static_cast<std::size_t>(place - listed.begin())] = std::move(tensor);
  }

  // Tensors of one name are a list.
  static void put_named(const std::string& name, json tensor, json& keywords) {
    json& value = keywords[name];
    if (value.is_null()) {
      value = std::move(tensor);
      return;
    }
    if (value.is_object()) value = json::array({json(std::move(value))});
    value.push_back(std::move(tensor));
  }

  // A list of tensors, as lists of so many each.
  static void nest(json& tensors, const std::vector<std::size_t>& parts) {
    const json all = tensors.is_array() ? tensors : json::array({tensors});
    if (std::accumulate(parts.begin(), parts.end(), std::size_t{0}) != all.size()) return;
    tensors = json::array();
    auto next = all.begin();
    for (const std::size_t count : parts) {
      json& part = tensors.emplace_back(json::array());
      for (std::size_t i = 0; i < count; ++i) part.push_back(*next++);
    }
  }

  json tensor(const SymbolicTensor& tensor) const {
    const layers::Node& call = *layers::Access::node(tensor);
    const json history = {call.layer->name(), places_.at(&call), layers::Access::index(tensor)};
    return {{"class_name", "__keras_tensor__"},
            {"config",
             {{"shape", layers::shape_to_config(tensor.shape())},
              {"dtype", std::string(dtype_name(tensor.dtype()))},
              {"keras_history", history}}}};
  }

  json origins(const json& nesting, const SymbolicTensors& tensors) const {
    if (nesting.is_number()) return origin(tensors.at(nesting.get<std::size_t>()));
    json out = nesting;
    for (json& item : out) item = origins(item, tensors);
    return out;
  }

  // A nested Functional counts here the call by which it was made.
  json origin(const SymbolicTensor& tensor) const {
    const layers::Node& call = *layers::Access::node(tensor);
    const bool functional = dynamic_cast<const Functional*>(call.layer.get()) != nullptr;
    return {call.layer->name(), places_.at(&call) + (functional ? 1 : 0),
            layers::Access::index(tensor)};
  }

  const Functional& model_;
  ModelParts parts_;
  std::unordered_map<const Layer*, std::vector<const layers::Node*>> calls_;
  std::unordered_map<const layers::Node*, std::size_t> places_;  // among the calls of a layer
};

}  // namespace

json functional_to_config(const Functional& model, WrittenLayers& written) {
  return FunctionalWriter(model).write(written);
}

}  // namespace lamina::models
