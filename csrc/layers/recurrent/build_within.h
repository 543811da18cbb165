#pragma once
#include <lamina/layer.h>

#include <algorithm>
#include <vector>

namespace lamina::layers {

/// Builds a layer that another one holds, unless it is: the variables that this makes are the other
/// one's by their paths.
inline void build_within(const Layer& owner, Layer& held, const std::vector<Shape>& inputs) {
  if (held.built()) return;
  const std::vector<VariablePtr> before = held.variables();
  held.build(inputs);
  for (const VariablePtr& variable : held.variables()) {
    if (std::find(before.begin(), before.end(), variable) != before.end()) continue;
    const std::string& path = variable->path();
    const std::string within = held.name() + "/";  // models leave it out
    variable->set_path(owner.name() + "/" + (path.starts_with(within) ? path : within + path));
  }
}

}  // namespace lamina::layers
