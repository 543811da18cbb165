#include "models/keras/archived_weights.h"

#include "models/weights/access.h"
#include "models/weights/model_weights.h"
#include "models/weights/pending_saves.h"

namespace lamina {

void models::load_archived_weights(Model& model, const std::filesystem::path& archive,
                                   const LoadModelOptions& options) {
  load_model_weights(model, Access::saves(model).names, archive, {.progress = options.progress},
                     storage::posix(),
                     options.compile ? SpareOptimizers::kWarnedOf : SpareOptimizers::kPassedOver);
}

}  // namespace lamina
