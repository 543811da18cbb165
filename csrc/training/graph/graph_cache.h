#pragma once
#include <list>
#include <memory>
#include <vector>

#include "models/run/graph_watch.h"
#include "training/graph/train_graph.h"

namespace lamina::training {

/// A model's training graphs for the batches' shapes and dtypes, on the device where its weights
/// are, until it, or a model within it, gains or loses layers. Few: a full batch, a last one, and
/// one more.
class GraphCache {
 public:
  explicit GraphCache(Model& model, TrainGraph::Mode mode = TrainGraph::Mode::kTraining)
      : model_(model), mode_(mode) {}
  /// The graph for inputs like these; valid until the next call. Throws what TrainGraph
  /// throws.
  [[nodiscard]] TrainGraph& get(const std::vector<Tensor>& x);

 private:
  struct Cached {
    std::vector<Shape> shapes;
    Device device;
    std::unique_ptr<TrainGraph> graph;
  };
  /// Whether `graph` takes data of the dtypes of `x` as the model does.
  [[nodiscard]] bool suits(const TrainGraph& graph, const std::vector<Tensor>& x) const;

  static constexpr std::size_t kGraphs = 3;

  Model& model_;
  TrainGraph::Mode mode_;
  models::GraphWatch watch_;
  std::list<Cached> graphs_;  // the one used last in front
};

}  // namespace lamina::training
