#pragma once
#include <lamina/devices.h>

#include <memory>
#include <string>

#include "ops/cuda/tuner.h"

struct cudnnContext;

namespace cudnn_frontend {
class DeviceProperties;
namespace graph {
class Graph;
}
}  // namespace cudnn_frontend

namespace lamina::ops::cuda {

/// Whether cuDNN can be loaded; tried once.
[[nodiscard]] bool have_cudnn();
/// "cuDNN 9.19.0", as it was loaded.
[[nodiscard]] std::string cudnn_name();

/// What cuDNN plans for: a device, or the description of one (the JSON of a
/// CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR), where plans can be made but not run.
class CudnnTarget {
 public:
  /// Of the current device. Throws BackendError.
  [[nodiscard]] static CudnnTarget current_device();
  [[nodiscard]] static CudnnTarget described(const std::string& json);

  [[nodiscard]] cudnnContext* handle() const { return handle_.get(); }
  [[nodiscard]] const std::shared_ptr<const cudnn_frontend::DeviceProperties>& description() const {
    return description_;
  }
  /// 90 for sm_90.
  [[nodiscard]] int architecture() const { return architecture_; }

 private:
  std::shared_ptr<cudnnContext> handle_;
  std::shared_ptr<const cudnn_frontend::DeviceProperties> description_;
  int architecture_ = 0;
};

/// An operation as cuDNN has planned it.
struct CudnnGraph {
  std::shared_ptr<cudnn_frontend::graph::Graph> graph;
  std::string engine;        ///< the configuration chosen, by name
  int configuration = -1;    ///< and by number
  int configurations = 0;    ///< that the heuristics offered
  bool built = false;        ///< else it passed the support check and could not be built
  std::string problem = {};  ///< why there is none, or why it was not built
  [[nodiscard]] bool supported() const { return graph != nullptr; }
};

/// Asks cuDNN for `op` (LibraryConvolution or LibraryNorm). Engines whose results vary from run to
/// run are left out, and those that round parts of a sum; where float32 is strict, so are those
/// that round its inputs (tensor cores). Of the rest the first that can be built, or the one of the
/// name `engine` where that can be. Throws BackendError when cuDNN lacks what its interface needs.
[[nodiscard]] CudnnGraph plan_with_cudnn(const CudnnTarget& target, const LibraryOp& op,
                                         Float32Precision precision = Float32Precision::kStrict,
                                         const std::string& engine = {});

/// The same for a graph of the caller's on inputs of `dtype`.
[[nodiscard]] CudnnGraph plan_graph(const CudnnTarget& target,
                                    std::shared_ptr<cudnn_frontend::graph::Graph> graph,
                                    DType dtype,
                                    Float32Precision precision = Float32Precision::kStrict,
                                    const std::string& engine = {});

/// What plan_with_cudnn chooses from, those among them that it leaves out: they cannot be built.
[[nodiscard]] EngineChoices cudnn_choices(const CudnnTarget& target, const LibraryOp& op,
                                          Float32Precision precision);

/// `planned`, which is built for a live device, ready to run; it must outlive what records it.
[[nodiscard]] std::shared_ptr<LibraryPlan> cudnn_plan(const CudnnTarget& target,
                                                      const LibraryOp& op, CudnnGraph planned);

}  // namespace lamina::ops::cuda
