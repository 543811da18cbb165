#pragma once
#include <lamina/metrics.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The options of metrics whose factories take them one by one.
namespace lamina::metrics {

struct NamedOptions {
  std::string name = {};
};

/// Of correlations along an axis, which is the last one here.
struct CorrelationOptions {
  std::string name = {};
};

struct BinaryAccuracyOptions {
  double threshold = 0.5;
  std::string name = {};
};

struct TopKOptions {
  std::int64_t k = 5;
  std::string name = {};
};

/// The mean of a loss, under the metric's own name.
struct MeanOfOptions {
  LossPtr loss;
};

// What has no default is an optional here.

/// The best of one thing where another is at least so much.
struct BestOptions : AtThresholdOptions {
  std::optional<double> least = {};
};
struct AtSpecificityOptions : BestOptions {
  static constexpr const char* kLeast = "specificity";
};
struct AtSensitivityOptions : BestOptions {
  static constexpr const char* kLeast = "sensitivity";
};
struct AtRecallOptions : BestOptions {
  static constexpr const char* kLeast = "recall";
};
struct AtPrecisionOptions : BestOptions {
  static constexpr const char* kLeast = "precision";
};

/// Of scores of classes.
template <class Options>
struct Averaged : Options {
  std::optional<Average> average = {};
};

/// Of class numbers.
template <class Options>
struct OfClasses : Options {
  std::optional<std::int64_t> num_classes = {};
};
template <class Options>
struct OfTargets : OfClasses<Options> {
  std::optional<std::vector<std::int64_t>> target_class_ids = {};
};

}  // namespace lamina::metrics
