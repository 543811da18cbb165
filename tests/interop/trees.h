#pragma once
#include <nlohmann/json_fwd.hpp>

namespace lamina::interop {

/// Loads a tree of weights that no layer of Lamina stands behind, and saves it again: what files of
/// layers and optimizers that Lamina does not have yet go through.
///
/// The request: "nodes": [{"path", "name", "optimizer": bool, "variables": [{"key", "shape",
/// "dtype"}]}] in save order, the root first; "load" and "save": paths; save options as of a model.
/// Throws what loading and saving throw.
void copy_tree(const nlohmann::json& request);

}  // namespace lamina::interop
