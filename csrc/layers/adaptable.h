#pragma once
#include <lamina/tensor.h>

#include <cstdint>
#include <functional>
#include <optional>

namespace lamina::layers {

/// Data, batch by batch, on the host; nothing behind the last one.
using NextBatch = std::function<std::optional<Tensor>()>;

/// A layer that learns from data what it computes, before a model with it is trained.
class Adaptable {
 public:
  Adaptable() = default;
  Adaptable(const Adaptable&) = delete;
  Adaptable& operator=(const Adaptable&) = delete;
  virtual ~Adaptable() = default;

  /// Forgets what it has learnt, and learns from all batches. What it throws, or what `next` does,
  /// leaves it as it was, but perhaps built.
  virtual void adapt(const NextBatch& next) = 0;
  /// More than any was before (`next_graph_version`) once it computes something else that is in no
  /// variable: then plans of models that hold it are outdated.
  [[nodiscard]] virtual std::uint64_t graph_version() const noexcept { return 0; }
};

}  // namespace lamina::layers
