#pragma once
#include <lamina/model.h>

#include "checkpoint/load/legacy.h"

namespace lamina::models {

/// The model as legacy HDF5 files see it: its layers, but none of theirs, each with all weights
/// that are in it.
[[nodiscard]] checkpoint::LegacyModel legacy_layers(const Model& model);

}  // namespace lamina::models
