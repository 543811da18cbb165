#pragma once
#include <lamina/model.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

// How a model was compiled, as Keras's `compile_config`. Defined where losses, metrics and
// optimizers are known: in training/compile_config.cpp.
namespace lamina::models {

/// What Keras's `get_compile_config()` gives. Null for a model that was not compiled and, with a
/// warning, for one with a loss, a metric or an optimizer of a class that is not Keras's, or with a
/// number that JSON lacks.
[[nodiscard]] nlohmann::json compile_config_of(const Model& model);

/// Compiles a model as its configuration says; null and {}: it was not. What Lamina lacks, and what
/// is no such configuration, leaves the model as it is, with a warning that names `where`.
void compile_from_config(Model& model, const nlohmann::json& config, const std::string& where);

/// As Keras does then: gives the optimizers of a model and of those within it, where they are
/// compiled and built, their variables for all that each trains. Throws ValueError for what an
/// optimizer cannot train.
void build_optimizers(const Model& model);

/// Whether the model is compiled, or one within it.
[[nodiscard]] bool has_compiled(const Model& model);

/// The warning that a model of `where` was left uncompiled, and why.
void warn_not_compiled(const std::string& where, const std::string& why);

}  // namespace lamina::models
