#pragma once
#include <lamina/layer.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lamina::layers {

// Models that stand in an option of a layer, as TimeDistributed's. Those who know models define
// these (models/keras/held_model.cpp).

/// The model of Keras's serialised object; null where that is of no model's class. `where` names it
/// in messages. Throws FormatError, UnsupportedError.
[[nodiscard]] LayerPtr held_model_from_object(const nlohmann::json& object,
                                              const std::string& where);
/// The object; null for what is no model. Throws UnsupportedError naming what Keras could not make
/// again.
[[nodiscard]] nlohmann::json held_model_to_object(const Layer& layer);

}  // namespace lamina::layers
