#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(PenaltyJob)
LAMINA_LAUNCH(PenaltyGradientJob)

}  // namespace lamina::kernels
