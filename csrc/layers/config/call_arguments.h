#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::layers {

/// Of a layer whose calls take arguments by names, which Keras keeps with each call instead of in
/// the layer's configuration.
class CallArguments {
 public:
  CallArguments() = default;
  CallArguments(const CallArguments&) = delete;
  CallArguments& operator=(const CallArguments&) = delete;
  virtual ~CallArguments() = default;

  /// The names of those that are tensors, in the order of the layer's inputs.
  [[nodiscard]] virtual std::vector<std::string> tensor_arguments() const = 0;
  /// Has every call give these tensors, in this order. So the order in which a graph is walked, and
  /// with it that of a model's layers, is that of Keras, which has keywords sorted by their names.
  /// Throws ValueError where one is missing that has to be there.
  virtual void take_in_order(const std::vector<std::string>& names) = 0;
  /// In which order a call on so many tensors has them.
  [[nodiscard]] virtual std::vector<std::string> arguments_in_order(std::size_t count) const = 0;
  /// Has every call given this argument as true. False where it cannot be.
  [[nodiscard]] virtual bool enable(std::string_view argument) = 0;
  /// Those that are true.
  [[nodiscard]] virtual std::vector<std::string> enabled() const = 0;
};

}  // namespace lamina::layers
