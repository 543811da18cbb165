#pragma once
#include <lamina/model.h>

#include <string>

namespace lamina::cli {

/// Writes the whole model where `out` ends in `.keras`, else its weights.
void save_model(const Model& model, const std::string& out, const SaveOptions& options = {});

}  // namespace lamina::cli
