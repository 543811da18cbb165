#include "layers/config/config_writer.h"

#include <cmath>
#include <limits>

#include "layers/config/held_model.h"
#include "layers/config/object_config.h"
#include "layers/config/registry.h"
#include "layers/naming.h"

namespace lamina::layers {
namespace {

using nlohmann::json;

json list(IntPair pair) {
  return {pair.first, pair.second};
}

json list(const IntTriple& triple) {
  return {triple.first, triple.second, triple.third};
}

/// The elements from `at` on as nested lists.
json nested(const ArrayLike& array, std::size_t axis, std::size_t& at) {
  if (axis == array.shape.rank()) return array.values[at++];
  json items = json::array();
  for (std::int64_t i = 0; i < array.shape.dims()[axis]; ++i) {
    items.push_back(nested(array, axis + 1, at));
  }
  return items;
}

}  // namespace

ConfigWriter::ConfigWriter(const Layer& layer) : ConfigWriter(in_words(layer)) {}

ConfigWriter ConfigWriter::inside(std::string_view option) const {
  return ConfigWriter(std::string(where_).append(": the option '").append(option).append("'"));
}

void ConfigWriter::fail(const std::string& why) const {
  throw UnsupportedError(std::string(where_).append(" ").append(why));
}

void ConfigWriter::check_finite(std::string_view option, double value) const {
  if (!std::isfinite(value)) inside(option).fail("is not finite, for which JSON has no number.");
}

void ConfigWriter::set(std::string_view option, json value) {
  config_[std::string(option)] = std::move(value);
}

void ConfigWriter::required(std::initializer_list<std::string_view>) {}

void ConfigWriter::boolean(std::string_view option, bool& value) {
  set(option, value);
}

void ConfigWriter::integer(std::string_view option, std::int64_t& value) {
  set(option, value);
}

void ConfigWriter::optional_integer(std::string_view option, std::optional<std::int64_t>& value) {
  set(option, value ? json(*value) : json());
}

void ConfigWriter::number(std::string_view option, double& value) {
  check_finite(option, value);
  set(option, value);
}

void ConfigWriter::optional_number(std::string_view option, std::optional<double>& value) {
  if (value) {
    number(option, *value);
  } else {
    set(option, nullptr);
  }
}

void ConfigWriter::string(std::string_view option, std::string& value) {
  set(option, value);
}

void ConfigWriter::optional_string(std::string_view option, std::string& value) {
  set(option, value.empty() ? json() : json(value));
}

void ConfigWriter::single(std::string_view option, std::int64_t& value) {
  set(option, json::array({value}));
}

void ConfigWriter::optional_single(std::string_view option, std::optional<std::int64_t>& value) {
  set(option, value ? json::array({*value}) : json());
}

void ConfigWriter::pair(std::string_view option, IntPair& value) {
  set(option, list(value));
}

void ConfigWriter::optional_pair(std::string_view option, std::optional<IntPair>& value) {
  set(option, value ? list(*value) : json());
}

void ConfigWriter::triple(std::string_view option, IntTriple& value) {
  set(option, list(value));
}

void ConfigWriter::optional_triple(std::string_view option, std::optional<IntTriple>& value) {
  set(option, value ? list(*value) : json());
}

void ConfigWriter::axis(std::string_view option, std::int64_t& value) {
  set(option, value);
}

void ConfigWriter::axes(std::string_view option, Axes& value, AxesForm form) {
  const bool kept_empty = form == AxesForm::kList || form == AxesForm::kListFromNull;
  const bool listed = kept_empty || form == AxesForm::kListOrNull;
  if (value.values.empty() && !kept_empty) {
    set(option, nullptr);
  } else if (value.values.size() == 1 && !listed) {
    set(option, value.values.front());
  } else {
    set(option, value.values);
  }
}

void ConfigWriter::integers(std::string_view option, std::vector<std::int64_t>& value) {
  set(option, value);
}

void ConfigWriter::shape(std::string_view option, Shape& value) {
  set(option, shape_to_config(value));
}

void ConfigWriter::optional_shape(std::string_view option, OptionalShape& value) {
  set(option, value.value ? shape_to_config(*value.value) : json());
}

void ConfigWriter::batch_shape(std::string_view option, OptionalShape& value) {
  optional_shape(option, value);
}

void ConfigWriter::padding2d(std::string_view option, Padding2D& value) {
  set(option, json::array({list(value.height), list(value.width)}));
}

void ConfigWriter::padding3d(std::string_view option, Padding3D& value) {
  set(option, json::array({list(value.depth), list(value.height), list(value.width)}));
}

void ConfigWriter::array(std::string_view option, ArrayLike& value) {
  for (const double element : value.values) check_finite(option, element);
  std::size_t at = 0;
  set(option, value.given ? nested(value, 0, at) : json());
}

void ConfigWriter::seed(std::optional<std::uint64_t>& value) {
  if (value && *value > std::numeric_limits<std::uint32_t>::max()) {
    inside("seed").fail("is " + std::to_string(*value) + ", which Keras does not take.");
  }
  set("seed", value ? json(*value) : json());
}

void ConfigWriter::initializer(std::string_view option, Initializer& value) {
  set(option, initializer_to_config(value, inside(option)));
}

void ConfigWriter::activation(std::string_view option, ActivationFunction& value) {
  set(option, activation_to_config(value, inside(option)));
}

void ConfigWriter::regularizer(std::string_view option, Regularizer& value) {
  set(option, regularizer_to_config(value, inside(option)));
}

void ConfigWriter::constraint(std::string_view option, Constraint& value) {
  set(option, constraint_to_config(value, inside(option)));
}

json ConfigWriter::object_of(std::string_view option, const Layer& layer) const {
  json config = layer_to_config(layer);
  if (!config.is_null()) return object_of_layer(layer, std::move(config));
  json model = held_model_to_object(layer);
  if (model.is_null()) {
    inside(option).fail("is " + in_words(layer) + ", which no configuration holds.");
  }
  return model;
}

void ConfigWriter::layer(std::string_view option, LayerPtr& value, bool) {
  set(option, value ? object_of(option, *value) : json());
}

void ConfigWriter::layers(std::string_view option, std::vector<LayerPtr>& value) {
  json objects = json::array();
  for (const LayerPtr& layer : value) objects.push_back(object_of(option, *layer));
  set(option, std::move(objects));
}

void ConfigWriter::names_activity_regularizer() {
  set("activity_regularizer", nullptr);
}

void ConfigWriter::dtype_policy(std::string& name) {
  set("dtype", object_to_config("keras", "DTypePolicy", {{"name", name}}));
}

void ConfigWriter::dtype(std::string& name) {
  set("dtype", name);
}

void ConfigWriter::unused(std::string_view option, const json& keras_default) {
  set(option, keras_default);
}

void ConfigWriter::unused(std::initializer_list<std::string_view>) {}
void ConfigWriter::training_only(std::initializer_list<std::string_view>) {}

void ConfigWriter::fixed(std::string_view option, const json& value) {
  set(option, value);
}

void ConfigWriter::absent(std::initializer_list<std::string_view>) {}

}  // namespace lamina::layers
