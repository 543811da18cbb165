#pragma once
#include <lamina/model.h>

namespace lamina::models {

/// Throws ValueError, in Keras's words, when `shapes` do not suit the placeholders of a model.
void check_input_shapes(const std::string& class_name, const SymbolicTensors& placeholders,
                        const std::vector<Shape>& shapes);

}  // namespace lamina::models
