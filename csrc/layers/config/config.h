#pragma once
#include <lamina/layers.h>

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::layers {

/// How Keras writes axes.
enum class AxesForm {
  kList,             ///< a list
  kListFromNull,     ///< a list; null, which Keras takes but does not write, for an empty one
  kListOrNull,       ///< a list, null for none
  kOneOrList,        ///< an integer for one; there has to be one
  kOneOrListOrNull,  ///< an integer for one, null for none
};

/// The options of a layer, an initializer and so on, as they stand in Keras's `config` object, in
/// both directions: a ConfigReader sets the values that it is given and leaves those that are
/// missing, which then have Keras's defaults; a ConfigWriter writes them in Keras's form. Both
/// throw UnsupportedError naming layer, class and option for what the other side lacks.
class Config {
 public:
  Config() = default;
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
  virtual ~Config() = default;

  /// Options that Keras has no default for.
  virtual void required(std::initializer_list<std::string_view> options) = 0;

  virtual void boolean(std::string_view option, bool& value) = 0;
  virtual void integer(std::string_view option, std::int64_t& value) = 0;
  virtual void optional_integer(std::string_view option, std::optional<std::int64_t>& value) = 0;
  virtual void number(std::string_view option, double& value) = 0;
  virtual void optional_number(std::string_view option, std::optional<double>& value) = 0;
  virtual void string(std::string_view option, std::string& value) = 0;
  /// Null for an empty one.
  virtual void optional_string(std::string_view option, std::string& value) = 0;
  /// A list of one, as 1D layers have it, or an integer.
  virtual void single(std::string_view option, std::int64_t& value) = 0;
  virtual void optional_single(std::string_view option, std::optional<std::int64_t>& value) = 0;
  /// A list of two, or an integer for both.
  virtual void pair(std::string_view option, IntPair& value) = 0;
  virtual void optional_pair(std::string_view option, std::optional<IntPair>& value) = 0;
  /// A list of three, or an integer for all.
  virtual void triple(std::string_view option, IntTriple& value) = 0;
  virtual void optional_triple(std::string_view option, std::optional<IntTriple>& value) = 0;
  /// An integer, or a list of one.
  virtual void axis(std::string_view option, std::int64_t& value) = 0;
  virtual void axes(std::string_view option, Axes& value, AxesForm form) = 0;
  virtual void integers(std::string_view option, std::vector<std::int64_t>& value) = 0;
  /// A list of integers, null meaning an unknown dimension, or one without a list.
  virtual void shape(std::string_view option, Shape& value) = 0;
  /// A list, or null.
  virtual void optional_shape(std::string_view option, OptionalShape& value) = 0;
  /// A list; has to be there.
  virtual void batch_shape(std::string_view option, OptionalShape& value) = 0;
  virtual void padding2d(std::string_view option, Padding2D& value) = 0;
  virtual void padding3d(std::string_view option, Padding3D& value) = 0;
  /// A number, a list, nested lists, or null (not given). Read from a serialized NumPy array or
  /// tensor, too.
  virtual void array(std::string_view option, ArrayLike& value) = 0;
  /// An integer, or null. Read from the generator that was made with one, too.
  virtual void seed(std::optional<std::uint64_t>& value) = 0;
  virtual void initializer(std::string_view option, Initializer& value) = 0;
  virtual void activation(std::string_view option, ActivationFunction& value) = 0;
  virtual void regularizer(std::string_view option, Regularizer& value) = 0;
  virtual void constraint(std::string_view option, Constraint& value) = 0;
  /// A layer inside, or a model: Keras's serialised object; null only where it is `optional`.
  virtual void layer(std::string_view option, LayerPtr& value, bool optional) = 0;
  /// A list of such objects; has to be there.
  virtual void layers(std::string_view option, std::vector<LayerPtr>& value) = 0;
  /// That any layer may have an activity regularizer needs no description; this is of those for
  /// which Keras writes null when they have none.
  virtual void names_activity_regularizer() = 0;
  /// A policy's name, for `dtype`.
  virtual void dtype_policy(std::string& name) = 0;
  /// A dtype's, for `dtype`.
  virtual void dtype(std::string& name) = 0;

  /// What changes nothing that Lamina computes: any value will do, and is kept to be written again.
  /// Keras writes `keras_default` for a layer that was given none.
  virtual void unused(std::string_view option, const nlohmann::json& keras_default) = 0;
  /// The same, where Keras then writes nothing.
  virtual void unused(std::initializer_list<std::string_view> options) = 0;
  /// Regularizers and constraints that the layer lacks: any value will do for prediction.
  virtual void training_only(std::initializer_list<std::string_view> options) = 0;
  /// What has to be null or `value`, which Keras writes.
  virtual void fixed(std::string_view option, const nlohmann::json& value) = 0;
  /// What has to be null, and Keras does not write then.
  virtual void absent(std::initializer_list<std::string_view> options) = 0;

  // Numbers along the spatial axes of a layer, by how many it has.
  void along(std::string_view option, std::int64_t& value) { single(option, value); }
  void along(std::string_view option, IntPair& value) { pair(option, value); }
  void along(std::string_view option, IntTriple& value) { triple(option, value); }
  void along(std::string_view option, std::optional<std::int64_t>& value) {
    optional_single(option, value);
  }
  void along(std::string_view option, std::optional<IntPair>& value) {
    optional_pair(option, value);
  }
  void along(std::string_view option, std::optional<IntTriple>& value) {
    optional_triple(option, value);
  }

  void data_format(std::string& value) { string("data_format", value); }
  /// Where the options of one weight are.
  struct WeightOptions {
    std::string name;  ///< "kernel", for "kernel_initializer" and so on
    Initializer& initializer;
    Regularizer& regularizer;
    Constraint& constraint;
  };
  void weights(std::initializer_list<WeightOptions> all);
  /// Those of a kernel and a bias.
  template <class Options>
  void kernel_and_bias_weights(Options& options) {
    weights(
        {{"kernel", options.kernel_initializer, options.kernel_regularizer,
          options.kernel_constraint},
         {"bias", options.bias_initializer, options.bias_regularizer, options.bias_constraint}});
  }
  /// And `activation` and `use_bias`.
  template <class Options>
  void kernel_and_bias(Options& options) {
    activation("activation", options.activation);
    boolean("use_bias", options.use_bias);
    kernel_and_bias_weights(options);
  }
};

}  // namespace lamina::layers
