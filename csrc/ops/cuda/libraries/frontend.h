#pragma once
// cuDNN's own C++ interface, header-only. cuDNN is loaded when it is first needed, so that Lamina
// starts where there is none.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#include <cudnn_frontend.h>

#include "ops/cuda/library_op.h"

namespace lamina::ops::cuda {

enum Uid : std::int64_t { kX = 1, kKernel, kY, kBias };

/// The graph of `op`; nothing where cuDNN has no words for it.
[[nodiscard]] std::shared_ptr<cudnn_frontend::graph::Graph> graph_of(const LibraryConvolution& op);
[[nodiscard]] std::shared_ptr<cudnn_frontend::graph::Graph> graph_of(const LibraryNorm& op);

}  // namespace lamina::ops::cuda
