// The kernels of a GPU. Each call gives its work to `stream`, a cudaStream_t, and returns what the
// launch reported, a cudaError_t.
#pragma once
#include "kernels/jobs.h"

namespace lamina::kernels {

int launch(const UnaryJob& job, void* stream);
int launch(const UnaryGradientJob& job, void* stream);
int launch(const BinaryJob& job, void* stream);
int launch(const BinaryGradientJob& job, void* stream);
int launch(const EpilogueJob& job, void* stream);
int launch(const CastJob& job, void* stream);
int launch(const DropoutJob& job, void* stream);
int launch(const CopyJob& job, void* stream);
int launch(const PadJob& job, void* stream);
int launch(const ResizeJob& job, void* stream);
int launch(const GatherJob& job, void* stream);
int launch(const GatherGradientJob& job, void* stream);
int launch(const ReduceJob& job, void* stream);
int launch(const ReduceGradientJob& job, void* stream);
int launch(const SoftmaxJob& job, void* stream);
int launch(const SoftmaxGradientJob& job, void* stream);
int launch(const MomentsJob& job, void* stream);
int launch(const BatchNormJob& job, void* stream);
int launch(const BatchNormSumsJob& job, void* stream);
int launch(const BatchNormGradientJob& job, void* stream);
int launch(const LayerNormJob& job, void* stream);
int launch(const LayerNormGradientJob& job, void* stream);
int launch(const LayerNormSumsJob& job, void* stream);
int launch(const PoolJob& job, void* stream);
int launch(const PoolGradientJob& job, void* stream);
int launch(const ConvolutionJob& job, void* stream);
int launch(const KernelGradientJob& job, void* stream);
int launch(const ProductJob& job, void* stream);
int launch(const UpdateJob& job, void* stream);
int launch(const AccumulateJob& job, void* stream);
int launch(const SquaresJob& job, void* stream);
int launch(const FollowJob& job, void* stream);
int launch(const PenaltyJob& job, void* stream);
int launch(const PenaltyGradientJob& job, void* stream);
int launch(const ConstrainJob& job, void* stream);

}  // namespace lamina::kernels
