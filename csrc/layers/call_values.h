#pragma once
#include <lamina/layer.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace lamina::layers {

/// What a call gives a layer beside its inputs, while that is lowered: what it was given by name,
/// and masks that Keras has for arguments where they are not given ("mask", "value_mask").
struct CallValues {
  std::map<std::string, graph::ValueId, std::less<>> tensors = {};
  std::set<std::string> flags = {};

  [[nodiscard]] std::optional<graph::ValueId> tensor(std::string_view name) const {
    const auto it = tensors.find(name);
    return it == tensors.end() ? std::nullopt : std::optional(it->second);
  }
  [[nodiscard]] bool flag(const std::string& name) const { return flags.contains(name); }
};

}  // namespace lamina::layers
