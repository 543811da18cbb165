#include <fmt/format.h>
#include <lamina/applications.h>
#include <lamina/error.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "applications/trained_weights.h"

namespace lamina::applications {
namespace {

constexpr std::int64_t kClasses = 1000;

// {"0": ["n01440764", "tench"], ...}
std::vector<ClassScore> read_classes() {
  const std::filesystem::path path = kept_by_keras(
      "imagenet_class_index.json",
      "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json");
  std::ifstream file(path);
  std::vector<ClassScore> classes;
  try {
    const auto index = nlohmann::json::parse(file);
    for (std::int64_t i = 0; i < kClasses; ++i) {
      const auto& names = index.at(std::to_string(i));
      classes.push_back({names.at(0).get<std::string>(), names.at(1).get<std::string>()});
    }
  } catch (const nlohmann::json::exception& error) {
    throw FormatError(fmt::format("{}: not Keras's names of ImageNet's classes: {}", path.string(),
                                  error.what()));
  }
  return classes;
}

}  // namespace

std::vector<std::vector<ClassScore>> decode_predictions(const Tensor& preds, std::int64_t top) {
  if (preds.shape().rank() != 2 || preds.shape()[1] != kClasses) {
    throw ValueError(
        "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, "
        "1000)). Received array with shape: " +
        preds.shape().str());
  }
  if (top < 1) throw ValueError(fmt::format("`top` must be at least 1. Received: top={}", top));
  const std::vector<ClassScore> classes = read_classes();
  const Tensor scores = preds.to(Device::cpu()).cast(DType::kFloat64);
  const auto all = scores.data<double>();
  std::vector<std::vector<ClassScore>> out;
  for (std::size_t begin = 0; begin < all.size(); begin += kClasses) {
    const auto row = all.subspan(begin, kClasses);
    // NaN is no order: it comes last.
    const auto larger = [&](std::size_t a, std::size_t b) {
      return row[a] > row[b] || (row[a] == row[a] && row[b] != row[b]);
    };
    std::vector<std::size_t> order(kClasses);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, larger);
    order.resize(static_cast<std::size_t>(std::min(top, kClasses)));
    std::vector<ClassScore>& best = out.emplace_back();
    for (const std::size_t i : order) {
      best.push_back({classes[i].class_name, classes[i].class_description, row[i]});
    }
  }
  return out;
}

}  // namespace lamina::applications
