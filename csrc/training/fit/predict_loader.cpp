// Model::predict on the batches of a loader.
#include <fmt/format.h>
#include <lamina/model.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/terminal_progress.h"
#include "models/run/batching.h"
#include "training/fit/evaluation.h"

namespace lamina {
namespace {

/// What the batches' outputs are, one after the other.
Tensor joined(const std::vector<Tensor>& parts, std::size_t output) {
  if (parts.size() == 1) return parts.front();
  Shape shape = parts.front().shape();
  shape[0] = 0;
  for (const Tensor& part : parts) {
    Shape expected = part.shape();
    expected[0] = shape[0];
    if (expected != shape) {
      throw ValueError(fmt::format(
          "Output {} has the shape {} for one batch and {} for another, which do not make one "
          "array: predict each batch by itself.",
          output, parts.front().shape().str(), part.shape().str()));
    }
    shape[0] += part.shape()[0];
  }
  Tensor out = Tensor::empty(shape, parts.front().dtype());
  std::byte* at = out.bytes().data();
  for (const Tensor& part : parts) {
    if (part.nbytes() == 0) continue;
    std::memcpy(at, part.raw(), part.nbytes());
    at += part.nbytes();
  }
  return out;
}

}  // namespace

std::vector<Tensor> Model::predict(const std::shared_ptr<DataLoader>& loader,
                                   const PredictOptions& options) {
  models::require_positive("steps", options.steps);
  const auto feed = training::loader_feed(
      loader, "the data", [this](const auto& inputs) { return standardize(inputs); });
  training::OnePass data(*feed, options.steps, "steps", "prediction");
  std::optional<core::TerminalProgress> progress;
  if (options.verbose) {
    progress.emplace("predict", static_cast<std::uint64_t>(data.steps()),
                     core::TerminalProgress::Style::kCount, "batch");
  }
  std::vector<std::vector<Tensor>> parts;  // of each output
  data.for_each([&](const training::Batch& batch, std::int64_t done) {
    std::vector<Tensor> outputs = training::predicted(*this, batch, [&] { return data.ahead(); });
    parts.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].shape().rank() == 0) {
        throw ValueError(fmt::format(
            "Output {} of model '{}' is a scalar: there are no rows to put one after the other.", i,
            name()));
      }
      parts[i].push_back(std::move(outputs[i]));
    }
    if (progress) progress->update(static_cast<std::uint64_t>(done));
  });
  std::vector<Tensor> out;
  for (std::size_t i = 0; i < parts.size(); ++i) out.push_back(joined(parts[i], i));
  return out;
}

}  // namespace lamina
