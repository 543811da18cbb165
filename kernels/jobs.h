// Everything that a kernel of ours can be asked to do, as plain values: what to read and write, of
// which dtype and how. Pointers are of the device that runs it.
#pragma once
#include <variant>

#include "kernels/constraints.h"
#include "kernels/gather.h"
#include "kernels/movement.h"
#include "kernels/normalization.h"
#include "kernels/penalties.h"
#include "kernels/pointwise.h"
#include "kernels/reductions.h"
#include "kernels/updates.h"
#include "kernels/windows.h"

namespace lamina::kernels {

using Job =
    std::variant<UnaryJob, UnaryGradientJob, BinaryJob, BinaryGradientJob, EpilogueJob, CastJob,
                 DropoutJob, CopyJob, PadJob, ResizeJob, GatherJob, GatherGradientJob, ReduceJob,
                 ReduceGradientJob, SoftmaxJob, SoftmaxGradientJob, MomentsJob, BatchNormJob,
                 BatchNormSumsJob, BatchNormGradientJob, LayerNormJob, LayerNormGradientJob,
                 LayerNormSumsJob, PoolJob, PoolGradientJob, ConvolutionJob, KernelGradientJob,
                 ProductJob, UpdateJob, AccumulateJob, SquaresJob, FollowJob, PenaltyJob,
                 PenaltyGradientJob, ConstrainJob>;

}  // namespace lamina::kernels
