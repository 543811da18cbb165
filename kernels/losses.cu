#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(LossGradientJob)

}  // namespace lamina::kernels
