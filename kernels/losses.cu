#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(LossGradientJob)
LAMINA_LAUNCH(LossDivisorJob)

}  // namespace lamina::kernels
