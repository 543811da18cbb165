#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(MomentsJob)
LAMINA_LAUNCH(BatchNormJob)
LAMINA_LAUNCH(BatchNormSumsJob)
LAMINA_LAUNCH(BatchNormGradientJob)
LAMINA_LAUNCH(LayerNormJob)
LAMINA_LAUNCH(LayerNormGradientJob)
LAMINA_LAUNCH(LayerNormSumsJob)

}  // namespace lamina::kernels
