#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(ConstrainJob)

}  // namespace lamina::kernels
