#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(ReduceJob)
LAMINA_LAUNCH(ReduceGradientJob)
LAMINA_LAUNCH(SoftmaxJob)
LAMINA_LAUNCH(SoftmaxGradientJob)

}  // namespace lamina::kernels
