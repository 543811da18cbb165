// Metrics out of words: what Keras calls them, and their options.
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "training/by_name.h"
#include "training/makers.h"
#include "training/spec.h"

namespace lamina::training {
namespace {

/// An option that has no default.
template <class T>
T required(Spec& spec, const char* key) {
  std::optional<T> value;
  spec.take(key, value);
  if (value) return *std::move(value);
  throw ValueError(fmt::format("The metric {} needs the option {}.", spec.name(), key));
}

template <class E>
struct Word {
  std::string_view word;
  E value;
};

/// An option that is one of some words; none where it is not given.
template <class E, std::size_t kCount>
std::optional<E> one_of(Spec& spec, const char* key, const Word<E> (&words)[kCount]) {
  std::optional<std::string> given;
  spec.take(key, given);
  if (!given) return std::nullopt;
  std::string known;
  for (const Word<E>& each : words) {
    if (each.word == *given) return each.value;
    known += (known.empty() ? "" : ", ") + std::string(each.word);
  }
  throw ValueError(fmt::format("The metric {}: the option {}={} should be one of {}", spec.name(),
                               key, *given, known));
}

/// Options of one class, but for the name.
void take(Spec& spec, metrics::CountOptions& o) {
  spec.take("thresholds", o.thresholds);
}
void take(Spec& spec, metrics::PrecisionOptions& o) {
  spec.take("thresholds", o.thresholds);
  spec.take("top_k", o.top_k);
  spec.take("class_id", o.class_id);
}
void take(Spec& spec, metrics::AtThresholdOptions& o) {
  spec.take("num_thresholds", o.num_thresholds);
  spec.take("class_id", o.class_id);
}
void take(Spec& spec, metrics::AUCOptions& o) {
  using Curve = metrics::AUCCurve;
  using Method = metrics::AUCSummationMethod;
  constexpr Word<Curve> kCurves[] = {{"ROC", Curve::kROC},       {"PR", Curve::kPR},
                                     {"PRGAIN", Curve::kPRGAIN}, {"roc", Curve::kROC},
                                     {"pr", Curve::kPR},         {"prgain", Curve::kPRGAIN}};
  constexpr Word<Method> kMethods[] = {
      {"interpolation", Method::kInterpolation}, {"majoring", Method::kMajoring},
      {"minoring", Method::kMinoring},           {"Interpolation", Method::kInterpolation},
      {"Majoring", Method::kMajoring},           {"Minoring", Method::kMinoring}};
  spec.take("num_thresholds", o.num_thresholds);
  o.curve = one_of(spec, "curve", kCurves).value_or(o.curve);
  o.summation_method = one_of(spec, "summation_method", kMethods).value_or(o.summation_method);
  spec.take("thresholds", o.thresholds);
  spec.take("from_logits", o.from_logits);
}
void take(Spec& spec, metrics::R2ScoreOptions& o) {
  using Aggregation = metrics::ClassAggregation;
  constexpr Word<Aggregation> kAggregations[] = {
      {"uniform_average", Aggregation::kUniformAverage},
      {"variance_weighted_average", Aggregation::kVarianceWeightedAverage}};
  o.class_aggregation =
      one_of(spec, "class_aggregation", kAggregations).value_or(o.class_aggregation);
  spec.take("num_regressors", o.num_regressors);
}
void take(Spec& spec, metrics::FBetaScoreOptions& o) {
  spec.take("beta", o.beta);
  spec.take("threshold", o.threshold);
}
void take(Spec& spec, metrics::F1ScoreOptions& o) {
  spec.take("threshold", o.threshold);
}
void take(Spec& spec, metrics::IoUOptions& o) {
  spec.take("ignore_class", o.ignore_class);
  spec.take("sparse_y_true", o.sparse_y_true);
  spec.take("sparse_y_pred", o.sparse_y_pred);
}
void take(Spec& spec, metrics::OneHotIoUOptions& o) {
  spec.take("ignore_class", o.ignore_class);
  spec.take("sparse_y_pred", o.sparse_y_pred);
}
void take(Spec& spec, metrics::BinaryIoUOptions& o) {
  spec.take("target_class_ids", o.target_class_ids);
  spec.take("threshold", o.threshold);
}

template <class Options>
Options options_of(Spec& spec) {
  Options options;
  spec.take("name", options.name);
  take(spec, options);
  spec.finish();
  return options;
}

template <class Options, auto kMake>
MetricPtr made(Spec& spec) {
  return kMake(options_of<Options>(spec));
}

std::string name_of(Spec& spec, const char* keras_name) {
  std::string name = keras_name;
  spec.take("name", name);
  return name;
}

MetricPtr named(Spec& spec, const char* keras_name, MetricPtr (*make)(std::string)) {
  std::string name = name_of(spec, keras_name);
  spec.finish();
  return make(std::move(name));
}

MetricPtr binary_accuracy(Spec& spec) {
  std::string name = name_of(spec, "binary_accuracy");
  double threshold = 0.5;
  spec.take("threshold", threshold);
  spec.finish();
  return metrics::BinaryAccuracy(std::move(name), threshold);
}

MetricPtr top_k(Spec& spec, const char* keras_name, MetricPtr (*make)(std::int64_t, std::string)) {
  std::string name = name_of(spec, keras_name);
  std::int64_t k = 5;
  spec.take("k", k);
  spec.finish();
  return make(k, std::move(name));
}

MetricPtr best(Spec& spec, const char* key,
               MetricPtr (*make)(double, metrics::AtThresholdOptions)) {
  const auto least = required<double>(spec, key);
  return make(least, options_of<metrics::AtThresholdOptions>(spec));
}

template <class Options, auto kMake>
MetricPtr f_score(Spec& spec) {
  using Average = metrics::Average;
  constexpr Word<Average> kAverages[] = {
      {"micro", Average::kMicro}, {"macro", Average::kMacro}, {"weighted", Average::kWeighted}};
  const auto average = one_of(spec, "average", kAverages);
  if (average) return kMake(*average, options_of<Options>(spec));
  throw ValueError(fmt::format(
      "The metric {} needs the option average: micro, macro or weighted. Keras's default, None, "
      "gives a score for each class, and a metric is one number.",
      spec.name()));
}

template <class Options, auto kMake>
MetricPtr mean_iou(Spec& spec) {
  const auto num_classes = required<std::int64_t>(spec, "num_classes");
  return kMake(num_classes, options_of<Options>(spec));
}

template <class Options, auto kMake>
MetricPtr iou(Spec& spec) {
  const auto num_classes = required<std::int64_t>(spec, "num_classes");
  auto targets = required<std::vector<std::int64_t>>(spec, "target_class_ids");
  return kMake(num_classes, std::move(targets), options_of<Options>(spec));
}

constexpr Maker<MetricPtr> kMetrics[] = {
    {"BinaryAccuracy", {"binary_accuracy"}, binary_accuracy},
    {"CategoricalAccuracy",
     {"categorical_accuracy"},
     [](Spec& s) { return named(s, "categorical_accuracy", metrics::CategoricalAccuracy); }},
    {"SparseCategoricalAccuracy",
     {"sparse_categorical_accuracy"},
     [](Spec& s) {
       return named(s, "sparse_categorical_accuracy", metrics::SparseCategoricalAccuracy);
     }},
    {"TopKCategoricalAccuracy",
     {"top_k_categorical_accuracy"},
     [](Spec& s) {
       return top_k(s, "top_k_categorical_accuracy", metrics::TopKCategoricalAccuracy);
     }},
    {"SparseTopKCategoricalAccuracy",
     {"sparse_top_k_categorical_accuracy"},
     [](Spec& s) {
       return top_k(s, "sparse_top_k_categorical_accuracy", metrics::SparseTopKCategoricalAccuracy);
     }},
    {"RootMeanSquaredError",
     {"root_mean_squared_error"},
     [](Spec& s) { return named(s, "root_mean_squared_error", metrics::RootMeanSquaredError); }},
    {"LogCoshError",
     {"log_cosh_error"},
     [](Spec& s) { return named(s, "logcosh", metrics::LogCoshError); }},
    {"CosineSimilarity",
     {"cosine_similarity"},
     [](Spec& s) { return named(s, "cosine_similarity", metrics::CosineSimilarity); }},
    {"PearsonCorrelation",
     {"pearson_correlation"},
     [](Spec& s) { return named(s, "pearson_correlation", metrics::PearsonCorrelation); }},
    {"ConcordanceCorrelation",
     {"concordance_correlation"},
     [](Spec& s) { return named(s, "concordance_correlation", metrics::ConcordanceCorrelation); }},
    {"R2Score", {"r2_score"}, made<metrics::R2ScoreOptions, metrics::R2Score>},
    {"TruePositives", {"true_positives"}, made<metrics::CountOptions, metrics::TruePositives>},
    {"FalsePositives", {"false_positives"}, made<metrics::CountOptions, metrics::FalsePositives>},
    {"TrueNegatives", {"true_negatives"}, made<metrics::CountOptions, metrics::TrueNegatives>},
    {"FalseNegatives", {"false_negatives"}, made<metrics::CountOptions, metrics::FalseNegatives>},
    {"Precision", {"precision"}, made<metrics::PrecisionOptions, metrics::Precision>},
    {"Recall", {"recall"}, made<metrics::PrecisionOptions, metrics::Recall>},
    {"SensitivityAtSpecificity",
     {"sensitivity_at_specificity"},
     [](Spec& s) { return best(s, "specificity", metrics::SensitivityAtSpecificity); }},
    {"SpecificityAtSensitivity",
     {"specificity_at_sensitivity"},
     [](Spec& s) { return best(s, "sensitivity", metrics::SpecificityAtSensitivity); }},
    {"PrecisionAtRecall",
     {"precision_at_recall"},
     [](Spec& s) { return best(s, "recall", metrics::PrecisionAtRecall); }},
    {"RecallAtPrecision",
     {"recall_at_precision"},
     [](Spec& s) { return best(s, "precision", metrics::RecallAtPrecision); }},
    {"AUC", {"auc"}, made<metrics::AUCOptions, metrics::AUC>},
    {"FBetaScore", {"f_beta_score"}, f_score<metrics::FBetaScoreOptions, metrics::FBetaScore>},
    {"F1Score", {"f1_score"}, f_score<metrics::F1ScoreOptions, metrics::F1Score>},
    {"IoU", {"io_u"}, iou<metrics::IoUOptions, metrics::IoU>},
    {"MeanIoU", {"mean_io_u"}, mean_iou<metrics::IoUOptions, metrics::MeanIoU>},
    {"OneHotIoU", {"one_hot_io_u"}, iou<metrics::OneHotIoUOptions, metrics::OneHotIoU>},
    {"OneHotMeanIoU",
     {"one_hot_mean_io_u"},
     mean_iou<metrics::OneHotIoUOptions, metrics::OneHotMeanIoU>},
    {"BinaryIoU", {"binary_io_u"}, made<metrics::BinaryIoUOptions, metrics::BinaryIoU>},
};

/// Null where the name is none of the table's.
const Maker<MetricPtr>* maker_of(std::string_view name) {
  const auto maker = std::find_if(std::begin(kMetrics), std::end(kMetrics),
                                  [&](const auto& each) { return is_named(each, name); });
  return maker == std::end(kMetrics) ? nullptr : maker;
}

[[noreturn]] void refuse(std::string_view name) {
  std::string known = "accuracy";
  for (const Maker<MetricPtr>& maker : kMetrics) known += ", " + std::string(maker.name);
  throw ValueError(
      fmt::format("There is no metric '{}'; there are {}, and the losses", name, known));
}

/// Of a loss, or null where there is none of that name.
MetricPtr mean_of(std::string_view loss, const std::string& name) {
  LossPtr found;
  try {
    found = losses::get(loss);
  } catch (const ValueError&) {
    return nullptr;
  }
  return metrics::MeanOf(std::move(found), name);
}

/// "accuracy" or "acc", in any case.
bool names_accuracy(std::string_view name) {
  return equal_ignoring_case(name, "accuracy") || equal_ignoring_case(name, "acc");
}

MetricPtr accuracy_for(const Shape& y_true, const Shape& y_pred, std::string name) {
  if (y_pred.rank() == 0) throw ValueError("Metric 'accuracy': the predictions are a scalar.");
  if (y_pred[-1] == 1) return metrics::BinaryAccuracy(std::move(name));
  const bool one_label = y_true.rank() < y_pred.rank() || y_true[-1] == 1;
  return one_label ? metrics::SparseCategoricalAccuracy(std::move(name))
                   : metrics::CategoricalAccuracy(std::move(name));
}

}  // namespace

MetricPtr make_metric(std::string_view text) {
  Spec spec(text, "metric");
  if (const Maker<MetricPtr>* maker = maker_of(spec.name())) return maker->make(spec);
  if (names_accuracy(spec.name())) {
    throw ValueError(
        fmt::format("The metric '{}' takes no options, since it is what fits the data; "
                    "BinaryAccuracy, CategoricalAccuracy and SparseCategoricalAccuracy take them",
                    spec.name()));
  }
  if (!mean_of(spec.name(), {})) refuse(spec.name());
  return metrics::MeanOf(make_loss(text));
}

}  // namespace lamina::training

namespace lamina {

MetricPtr metrics::get(std::string_view name, const Shape& y_true, const Shape& y_pred) {
  if (training::names_accuracy(name)) {
    return training::accuracy_for(y_true, y_pred, std::string(name));
  }
  if (const auto* maker = training::maker_of(name)) {
    training::Spec spec(fmt::format("{0}:name={0}", name), "metric");
    return maker->make(spec);
  }
  if (MetricPtr mean = training::mean_of(name, std::string(name))) return mean;
  training::refuse(name);
}

}  // namespace lamina
