#pragma once
#include <lamina/error.h>
#include <lamina/layers.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/builder.h"
#include "layers/activation_layer.h"
#include "layers/call_values.h"
#include "layers/config/described.h"
#include "layers/config/unused_options.h"
#include "layers/naming.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;
using Ids = std::vector<ValueId>;
using Shapes = std::vector<Shape>;

/// A layer made from an options struct.
template <class Options>
class LibraryLayer : public Layer, public Described<Options>, public UnusedOptions {
 public:
  [[nodiscard]] std::string class_name() const override { return class_name_; }
  [[nodiscard]] Options current_options() const override {
    Options options = options_;
    options.name = name();
    options.dtype = dtype_policy().name;
    if constexpr (requires { options.trainable; }) options.trainable = trainable();
    if constexpr (requires { options.activity_regularizer; }) {
      options.activity_regularizer = activity_regularizer();
    }
    return options;
  }

 protected:
  LibraryLayer(std::string class_name, Options options)
      : Layer({options.name, options.dtype, trainable_of(options)}),
        options_(with_activation_layers(std::move(options))),
        class_name_(std::move(class_name)) {
    if constexpr (!requires { options_.return_sequences; }) {  // those hold their cells'
      if constexpr (requires { options_.activation; }) {
        hold_activation("activation", options_.activation);
      }
      if constexpr (requires { options_.recurrent_activation; }) {
        hold_activation("recurrent_activation", options_.recurrent_activation);
      }
    }
    if constexpr (requires { options_.activity_regularizer; }) {
      set_activity_regularizer(options_.activity_regularizer);
    }
  }

  void on_build(const Shapes&) override {}

  [[nodiscard]] DType compute_dtype() const { return dtype_policy().compute; }

  /// Runs a check of arguments; what it finds is thrown naming the layer.
  template <class Check>
  auto checked(const Check& check) const {
    try {
      return check();
    } catch (const ValueError& error) {
      this->fail(error.what());
    }
  }

  /// `axis` of `shape` as an index, or ValueError naming the layer.
  [[nodiscard]] std::size_t axis_index(const Shape& shape, std::int64_t axis) const {
    const auto rank = static_cast<std::int64_t>(shape.rank());
    if (axis < -rank || axis >= rank) {
      this->fail("Axis " + std::to_string(axis) + " is out of bounds for input shape " +
                 shape.str() + ". Received: axis=" + std::to_string(axis));
    }
    return shape.index(axis);
  }

  /// The same of several, sorted; none of them twice.
  [[nodiscard]] std::vector<std::size_t> axis_indices(const Shape& shape,
                                                      const std::vector<std::int64_t>& axes) const {
    std::vector<std::size_t> result;
    for (const std::int64_t axis : axes) result.push_back(axis_index(shape, axis));
    std::sort(result.begin(), result.end());
    if (std::adjacent_find(result.begin(), result.end()) != result.end()) {
      this->fail("The argument 'axis' names one axis of " + shape.str() + " twice.");
    }
    return result;
  }

  /// Throws UnsupportedError naming the layer.
  [[noreturn]] void unsupported(const std::string& what) const {
    throw UnsupportedError(in_words(*this).append(": ").append(what));
  }

  /// The input cast to the compute dtype: integers too, which autocast leaves alone.
  [[nodiscard]] ValueId computable(Builder& builder, ValueId x) const {
    return builder.cast(x, compute_dtype());
  }

  const Options options_;

 private:
  static Options with_activation_layers(Options options) {
    if constexpr (requires { options.activation; }) {
      options.activation = with_layer_config(std::move(options.activation), options.dtype);
    }
    if constexpr (requires { options.recurrent_activation; }) {
      options.recurrent_activation =
          with_layer_config(std::move(options.recurrent_activation), options.dtype);
    }
    return options;
  }
  void hold_activation(const char* attribute, const ActivationFunction& activation) {
    if (LayerPtr layer = make_activation_layer(activation)) track(attribute, std::move(layer));
  }

  [[nodiscard]] bool traces_call() const final { return false; }

  /// A few layers have no such option, in Keras either.
  [[nodiscard]] static bool trainable_of([[maybe_unused]] const Options& options) {
    if constexpr (requires { options.trainable; }) return options.trainable;
    return true;
  }

  std::string class_name_;
};

/// For layers that only move elements: integers keep their dtype.
template <class Options>
class MovingLayer : public LibraryLayer<Options> {
 public:
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs) override {
    return {is_floating(inputs.at(0)) ? this->compute_dtype() : inputs[0]};
  }

 protected:
  using LibraryLayer<Options>::LibraryLayer;
};

/// Makes a layer and names it, so that automatic names follow the order of construction.
template <class T, class... Args>
[[nodiscard]] LayerRef make_layer(Args&&... args) {
  return LayerRef(std::make_shared<T>(std::forward<Args>(args)...));
}

}  // namespace lamina::layers
