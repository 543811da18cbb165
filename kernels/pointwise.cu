#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(UnaryJob)
LAMINA_LAUNCH(UnaryGradientJob)
LAMINA_LAUNCH(BinaryJob)
LAMINA_LAUNCH(BinaryGradientJob)
LAMINA_LAUNCH(EpilogueJob)
LAMINA_LAUNCH(CastJob)
LAMINA_LAUNCH(DropoutJob)
LAMINA_LAUNCH(NoiseJob)

}  // namespace lamina::kernels
