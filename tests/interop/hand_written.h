#pragma once
#include <lamina/layers.h>
#include <lamina/model.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

// What a user's classes are, with their attributes and `call` given as values: the zoo then reads
// as the Python classes do.
namespace lamina::interop {

using Attributes = std::vector<Attribute>;
using Call = std::function<SymbolicTensor(const SymbolicTensor&)>;

/// An attribute that holds a list, tuple or dict; items are layers or lists.
[[nodiscard]] inline Attribute list(std::string name, std::vector<Attribute> items) {
  return {std::move(name), std::make_shared<AttributeList>(AttributeList{std::move(items)})};
}
[[nodiscard]] inline Attribute list(std::vector<Attribute> items) {
  return list("", std::move(items));
}
[[nodiscard]] inline Attribute item(LayerPtr layer) {
  return {"", std::move(layer)};
}

/// Calls the layers one after another.
[[nodiscard]] inline Call chain(std::vector<LayerRef> layers) {
  return [layers = std::move(layers)](SymbolicTensor x) {
    for (const LayerRef& layer : layers) x = layer(x);
    return x;
  };
}

/// A class derived from keras.Model, or from keras.Layer.
template <class Base>
class HandWritten : public Base {
 public:
  HandWritten(std::string class_name, const Attributes& attributes, Call call)
      : Base({}), class_name_(std::move(class_name)), call_(std::move(call)) {
    for (const Attribute& attribute : attributes) {
      if (const auto* layer = std::get_if<LayerPtr>(&attribute.value)) {
        this->track(attribute.name, *layer);
      } else {
        this->track(attribute.name, *std::get<std::shared_ptr<AttributeList>>(attribute.value));
      }
    }
  }
  [[nodiscard]] std::string class_name() const override { return class_name_; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    return {call_(inputs.at(0))};
  }

 private:
  std::string class_name_;
  Call call_;
};

using HandWrittenModel = HandWritten<SubclassedModel>;
using HandWrittenLayer = HandWritten<Layer>;

/// A class derived from Functional, with attributes besides its graph.
class FunctionalWithAttributes : public Functional {
 public:
  FunctionalWithAttributes(SymbolicTensor input, SymbolicTensor output,
                           const Attributes& attributes,
                           std::string class_name = "FunctionalWithAttributes",
                           std::string name = {})
      : Functional({std::move(input)}, {std::move(output)}, Options{.name = std::move(name)}),
        class_name_(std::move(class_name)) {
    for (const Attribute& attribute : attributes) {
      track(attribute.name, std::get<LayerPtr>(attribute.value));
    }
  }
  [[nodiscard]] std::string class_name() const override { return class_name_; }

 private:
  std::string class_name_;
};

}  // namespace lamina::interop
