#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(PoolJob)
LAMINA_LAUNCH(PoolGradientJob)
LAMINA_LAUNCH(ConvolutionJob)
LAMINA_LAUNCH(KernelGradientJob)
LAMINA_LAUNCH(ProductJob)

}  // namespace lamina::kernels
