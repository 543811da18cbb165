#include "kernels/launch.cuh"

namespace lamina::kernels {

LAMINA_LAUNCH(UpdateJob)
LAMINA_LAUNCH(AccumulateJob)
LAMINA_LAUNCH(SquaresJob)
LAMINA_LAUNCH(NormsJob)
LAMINA_LAUNCH(FollowJob)

}  // namespace lamina::kernels
