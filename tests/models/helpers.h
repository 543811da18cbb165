#pragma once
#include <gtest/gtest.h>
#include <lamina/layers.h>
#include <lamina/model.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "models/weights/keras_paths.h"
#include "tests/fresh_seed.h"

namespace lamina::test {

inline std::string data_path(const std::string& name) {
  return std::string(LAMINA_TEST_DATA) + "/" + name;
}

inline nlohmann::json read_json(const std::string& name) {
  std::ifstream file(data_path(name));
  return nlohmann::json::parse(file);
}

/// Variables in the order in which a file holds them.
inline std::vector<VariablePtr> file_variables(const Model& model) {
  const models::NamedWeights named = models::name_weights(model);
  std::vector<VariablePtr> out;
  for (const weights::WeightEntry& entry : weights::save_order(named.tree)) {
    for (const weights::WeightVariable& variable : named.tree.nodes[entry.node].variables) {
      out.push_back(variable.variable);
    }
  }
  return out;
}

inline Tensor wave(const Shape& shape, double base, double amplitude, double step, double phase,
                   DType dtype = DType::kFloat32) {
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  for (std::size_t k = 0; k < values.size(); ++k) {
    values[k] = base + amplitude * std::sin(step * static_cast<double>(k) + phase);
  }
  return Tensor::from(values, shape).cast(dtype);
}

/// The values that data/make_data.py gives every variable, by its place in the file.
inline void fill(const Model& model) {
  double place = 0;
  for (const VariablePtr& variable : file_variables(model)) {
    variable->assign(wave(variable->shape(), 0.4, 0.3, 0.7, place, variable->dtype()));
    place += 1;
  }
}

/// Inputs of data/make_data.py: five rows for each placeholder.
inline std::vector<Tensor> inputs_for(const Model& model) {
  std::vector<Tensor> out;
  for (const SymbolicTensor& placeholder : model.inputs()) {
    Shape shape = placeholder.shape();
    shape[0] = 5;
    if (is_floating(placeholder.dtype())) {
      out.push_back(wave(shape, 0, 1, 0.37, static_cast<double>(out.size())));
      continue;
    }
    std::vector<std::int32_t> ids(static_cast<std::size_t>(shape.size()));
    for (std::size_t k = 0; k < ids.size(); ++k) ids[k] = static_cast<std::int32_t>(k * 3 % 10);
    out.push_back(Tensor::from(ids, shape));
  }
  return out;
}

/// Fresh random numbers; the seed is printed when the test fails.
class Random {
 public:
  Random()
      : seed_(lamina::test::fresh_seed()),
        engine_(seed_),
        trace_(__FILE__, __LINE__, seed_text()) {}

  Tensor tensor(const Shape& shape, double low = -1, double high = 1) {
    std::uniform_real_distribution<float> numbers(static_cast<float>(low),
                                                  static_cast<float>(high));
    std::vector<float> values(static_cast<std::size_t>(shape.size()));
    for (float& value : values) value = numbers(engine_);
    return Tensor::from(values, shape);
  }

  /// Gives every variable random values, positive so that they may be variances.
  void fill(const Model& model) {
    for (const VariablePtr& variable : model.variables()) {
      variable->assign(tensor(variable->shape(), 0.1, 0.9));
    }
  }

 private:
  std::string seed_text() const { return "seed " + std::to_string(seed_); }

  unsigned seed_;
  std::mt19937 engine_;
  ::testing::ScopedTrace trace_;
};

inline std::vector<std::string> names_of(const std::vector<LayerPtr>& layers) {
  std::vector<std::string> out;
  for (const LayerPtr& layer : layers) out.push_back(layer->name());
  return out;
}

inline SymbolicTensor input(std::int64_t size, const std::string& name) {
  return layers::Input({.shape = Shape{size}, .name = name});
}
inline LayerRef dense(std::int64_t units, const std::string& name) {
  return layers::Dense({.units = units, .name = name});
}

}  // namespace lamina::test
