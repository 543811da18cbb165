#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(CopyJob)
LAMINA_LAUNCH(PadJob)
LAMINA_LAUNCH(ResizeJob)
LAMINA_LAUNCH(GatherJob)
LAMINA_LAUNCH(GatherGradientJob)
LAMINA_LAUNCH(ArgsortJob)

}  // namespace lamina::kernels
