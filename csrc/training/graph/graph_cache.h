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
  /// The one that there is for inputs like these; null without one. The graph that was last asked
  /// for may be at work meanwhile.
  [[nodiscard]] TrainGraph* find(const std::vector<Tensor>& x) const;

 private:
  struct Cached {
    std::vector<Shape> shapes;
    Device device;
    std::unique_ptr<TrainGraph> graph;
  };
  /// Whether it is the graph for inputs of these shapes, and takes their dtypes as the model does.
  [[nodiscard]] bool suits(const Cached& cached, const std::vector<Tensor>& x) const;
  /// What graphs on the device send their inputs by; null for the host's.
  [[nodiscard]] std::shared_ptr<runtime::UploadStage> stage_on(Device device);

  static constexpr std::size_t kGraphs = 3;

  Model& model_;
  TrainGraph::Mode mode_;
  models::GraphWatch watch_;
  std::shared_ptr<runtime::UploadStage> stage_;  // of all graphs: one runs at a time
  std::list<Cached> graphs_;                     // the one used last in front
};

}  // namespace lamina::training
