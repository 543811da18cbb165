#pragma once
#include <lamina/model.h>

namespace lamina::training {

/// Throws UnsupportedError naming layer and option where the model's configuration asks for a
/// regularizer or a constraint that Lamina lacks: it would be trained to other weights than
/// Keras's. Those of variables that are not trained do not matter. Of layers that are not built,
/// only what concerns their outputs is seen.
void refuse_lacked_options(const Model& model);

/// Whether what some layer gives adds to the loss.
[[nodiscard]] bool has_activity_regularizers(const Model& model);

}  // namespace lamina::training
