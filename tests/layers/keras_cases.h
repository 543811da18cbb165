// Layers as real Keras computes them: data/keras_cases.json, written by data/make_keras_cases.py.
#pragma once
#include <gtest/gtest.h>
#include <lamina/layers.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>

#include "layers/config/registry.h"
#include "layers/node.h"

namespace lamina::test {

/// LAMINA_KERAS_CASES names the folder of the file where the sources are not there.
inline const nlohmann::json& keras_cases() {
  static const nlohmann::json file = [] {
    const char* given = std::getenv("LAMINA_KERAS_CASES");
    const std::filesystem::path folder =
        given == nullptr ? LAMINA_SOURCE_DIR "/tests/layers/data" : given;
    std::ifstream stream(folder / "keras_cases.json");
    if (!stream) throw std::runtime_error("no keras_cases.json in " + folder.string());
    return nlohmann::json::parse(stream);
  }();
  return file.at("cases");
}

/// All cases, or those that come with numbers (narrow dtypes do not).
inline std::vector<std::size_t> case_indices(bool with_numbers) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < keras_cases().size(); ++i) {
    if (!with_numbers || keras_cases()[i].contains("output")) result.push_back(i);
  }
  return result;
}

inline std::string case_name(std::size_t index) {
  return std::to_string(index) + "_" + keras_cases()[index].at("class_name").get<std::string>();
}

inline Shape to_shape(const nlohmann::json& dims) {
  Shape shape;
  for (const auto& dim : dims) shape.push_back(dim.is_null() ? kNone : dim.get<std::int64_t>());
  return shape;
}

inline Tensor to_tensor(const nlohmann::json& j) {
  const Tensor exact =
      Tensor::from<double>(j.at("values").get<std::vector<double>>(), to_shape(j.at("shape")));
  return exact.cast(dtype_from_name(j.at("dtype").get<std::string>()));
}

/// A case's layer, of this configuration.
inline LayerPtr layer_of(const nlohmann::json& c, const nlohmann::json& config) {
  return layers::layer_from_config(c.at("class_name"), config);
}

/// What is true in a case's call.
inline layers::CallForm form_of(const nlohmann::json& c) {
  return {{}, c.value("flags", std::set<std::string>())};
}
inline CallArguments arguments_of(const nlohmann::json& c) {
  CallArguments arguments;
  for (const std::string& flag : form_of(c).flags) arguments[flag] = true;
  return arguments;
}

/// The placeholders that a case's layer is applied to.
inline SymbolicTensors placeholders(const nlohmann::json& c) {
  SymbolicTensors inputs;
  const std::string dtype = c.at("input_dtype");
  for (const auto& shape : c.at("input_shapes")) {
    inputs.push_back(layers::Input({.dtype = dtype, .batch_shape = to_shape(shape)}));
  }
  return inputs;
}

/// The variables of a layer that has been built, as the case has them.
inline void assign_variables(const nlohmann::json& c, const Layer& layer) {
  const auto variables = layer.variables();
  ASSERT_EQ(variables.size(), c.at("variables").size());
  for (std::size_t i = 0; i < variables.size(); ++i) {
    variables[i]->assign(to_tensor(c["variables"][i]["value"]));
  }
}

/// The inputs that came with its output.
inline std::vector<Tensor> given_inputs(const nlohmann::json& c) {
  std::vector<Tensor> inputs;
  for (const auto& input : c.at("inputs")) inputs.push_back(to_tensor(input));
  return inputs;
}

}  // namespace lamina::test
