#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(InverseNormsJob)
LAMINA_LAUNCH(CosinesJob)
LAMINA_LAUNCH(OrthogonalGradientJob)

}  // namespace lamina::kernels
