#pragma once
#include <lamina/callbacks.h>

#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace lamina::interop {

/// Of [{"class", "options"}], with Keras's names; of LearningRateScheduler the option is "factors",
/// of each epoch, by which the rate is multiplied. The class "Script" has {"logs": {name: [value an
/// epoch]}}, and puts them in the place of what was measured.
[[nodiscard]] std::vector<CallbackPtr> callbacks_of(const nlohmann::json& described);

/// {"steps", "columns", "states": [{"done", "seconds", "logs", "last"}]} -> {"texts"}: what
/// training/fit/progress_text.h makes of them.
[[nodiscard]] nlohmann::json progress_texts(const nlohmann::json& request);

}  // namespace lamina::interop
