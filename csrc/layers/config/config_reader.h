#pragma once
#include <lamina/layers.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "layers/config/training_options.h"

namespace lamina::layers {

/// Reads one layer's Keras `config` object and remembers which options were read, so that `finish`
/// can refuse those that nobody knows. Every error is an UnsupportedError that names layer, class,
/// option and value. A missing option has Keras's default.
class ConfigReader {
 public:
  /// Throws UnsupportedError when `config` is no object.
  ConfigReader(std::string class_name, const nlohmann::json& config);

  [[nodiscard]] bool boolean(std::string_view option, bool fallback);
  [[nodiscard]] std::int64_t integer(std::string_view option,
                                     std::optional<std::int64_t> fallback = {});
  [[nodiscard]] double number(std::string_view option, double fallback);
  [[nodiscard]] std::optional<double> optional_number(std::string_view option);
  [[nodiscard]] std::string string(std::string_view option, std::string fallback);
  /// An integer or a list of one: 1D layers store lists.
  [[nodiscard]] std::int64_t single(std::string_view option,
                                    std::optional<std::int64_t> fallback = {});
  [[nodiscard]] std::optional<std::int64_t> optional_single(std::string_view option);
  /// An integer or a list of two.
  [[nodiscard]] IntPair pair(std::string_view option, std::optional<IntPair> fallback = {});
  [[nodiscard]] std::optional<IntPair> optional_pair(std::string_view option);
  /// An integer, a list of them, or null (none).
  [[nodiscard]] Axes axes(std::string_view option, Axes fallback);
  /// A list of integers, null meaning an unknown dimension.
  [[nodiscard]] Shape shape(std::string_view option);
  /// The same, or null.
  [[nodiscard]] OptionalShape optional_shape(std::string_view option);
  /// A list of integers, or one of them without a list.
  [[nodiscard]] Shape shape_or_size(std::string_view option);
  [[nodiscard]] Shape batch_shape(std::string_view option);
  [[nodiscard]] Padding2D padding2d(std::string_view option);
  /// A number, a list, nested lists, or null (not given).
  [[nodiscard]] ArrayLike array(std::string_view option, ArrayLike fallback);
  [[nodiscard]] Initializer initializer(std::string_view option, const char* fallback);
  [[nodiscard]] ActivationFunction activation(std::string_view option);
  /// None when missing or null. One that Lamina lacks is none for prediction and one of
  /// `training_options`.
  [[nodiscard]] Regularizer regularizer(std::string_view option);
  [[nodiscard]] Constraint constraint(std::string_view option);
  /// Where the options of one weight go.
  struct WeightOptions {
    std::string name;  ///< "kernel", for "kernel_initializer" and so on
    const char* fallback;
    Initializer& initializer;
    Regularizer& regularizer;
    Constraint& constraint;
  };
  void weights(std::initializer_list<WeightOptions> all);
  /// Those of a kernel and a bias, `activation` and `use_bias`.
  template <class Options>
  [[nodiscard]] Options kernel_and_bias(Options options) {
    options.activation = activation("activation");
    options.use_bias = boolean("use_bias", true);
    weights({{"kernel", "glorot_uniform", options.kernel_initializer, options.kernel_regularizer,
              options.kernel_constraint},
             {"bias", "zeros", options.bias_initializer, options.bias_regularizer,
              options.bias_constraint}});
    return options;
  }
  /// The policy's name from a string or a DTypePolicy object; `fallback` when missing or null.
  [[nodiscard]] std::string dtype(std::string fallback = {});
  [[nodiscard]] std::string data_format();

  /// Any value will do: it does not change what is computed.
  void ignore(std::initializer_list<std::string_view> options);
  /// Regularizers and constraints that the layer lacks: any value will do for prediction.
  void training_only(std::initializer_list<std::string_view> options);
  /// What training lacks.
  [[nodiscard]] const std::vector<TrainingOption>& training_options() const {
    return training_options_;
  }
  /// Missing, null or exactly `value`; anything else is not supported.
  void require(std::string_view option, const nlohmann::json& value = nullptr);

  /// name, dtype and trainable into the options, and then `finish()`.
  template <class Options>
  [[nodiscard]] Options common(Options options) {
    read_activity_regularizer();
    options.name = string("name", "");
    options.dtype = dtype();
    options.trainable = boolean("trainable", true);
    return options;
  }
  /// Throws for an option that was not read.
  void finish() const;

  /// What `common` found.
  [[nodiscard]] const Regularizer& activity_regularizer() const { return activity_regularizer_; }

  /// `more` ends the message.
  [[noreturn]] void unsupported(std::string_view option, const std::string& more = {}) const;
  [[nodiscard]] const std::string& class_name() const { return class_name_; }
  [[nodiscard]] const nlohmann::json& config() const { return config_; }

 private:
  /// Any layer may have one.
  void read_activity_regularizer();
  [[nodiscard]] const nlohmann::json* find(std::string_view option);
  /// "Layer 'conv' (Conv2D): the option 'strides'".
  [[nodiscard]] std::string named(std::string_view option) const;
  [[nodiscard]] std::int64_t to_integer(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] IntPair to_pair(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] Shape to_shape(std::string_view option, const nlohmann::json& value) const;

  std::string class_name_;
  const nlohmann::json& config_;
  std::set<std::string, std::less<>> known_;
  Regularizer activity_regularizer_;
  std::vector<TrainingOption> training_options_;
};

/// Options of a layer from its configuration; one specialisation beside each layer.
template <class Options>
[[nodiscard]] Options from_config(ConfigReader& config);

/// An initializer from its configuration: a name, or {"class_name", "config"}. Nothing when Lamina
/// lacks it or one of its options.
[[nodiscard]] std::optional<Initializer> initializer_from_config(const nlohmann::json& value);
/// The same of regularizers and constraints, null aside.
[[nodiscard]] std::optional<Regularizer> regularizer_from_config(const nlohmann::json& value);
[[nodiscard]] std::optional<Constraint> constraint_from_config(const nlohmann::json& value);
/// An activation from its configuration: null, a name, or an object (a function, or an activation
/// layer).
[[nodiscard]] std::optional<ActivationFunction> activation_from_config(const nlohmann::json& value);

}  // namespace lamina::layers
