// Metrics by name: what Keras calls them, and their options.
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
#include "training/fields.h"
#include "training/losses/metric_options.h"
#include "training/makers.h"
#include "training/spec.h"

namespace lamina::training {
namespace {

/// What all have. `dtype`: Keras's default, in which it gathers.
template <class Options>
void take_common(Fields& fields, Options& o, const char* dtype = "float32") {
  fields.take("name", o.name);
  fields.fixed("dtype", dtype);
}

/// How many of something there are, each of which needs memory: of a configuration not more than
/// any use has.
template <class Count>
void take_count(Fields& fields, const char* key, Count& count, std::int64_t most) {
  const auto number = [&] { return std::optional<std::int64_t>(count).value_or(0); };
  fields.take(key, count);
  if (fields.untrusted() && number() > most) {
    fields.fail(key, std::to_string(number()), fmt::format("at most {}", most));
  }
}
constexpr std::int64_t kMostThresholds = 100'000;
constexpr std::int64_t kMostClasses = 4096;  // which a matrix is made of

/// Options of one class.
void take(Fields& fields, metrics::NamedOptions& o) {
  take_common(fields, o);
}
void take(Fields& fields, metrics::CorrelationOptions& o) {
  take_common(fields, o);
  fields.fixed("axis", -1);
}
void take(Fields& fields, metrics::BinaryAccuracyOptions& o) {
  take_common(fields, o);
  fields.take("threshold", o.threshold);
}
void take(Fields& fields, metrics::TopKOptions& o) {
  take_common(fields, o);
  fields.take("k", o.k);
}
void take(Fields& fields, metrics::CountOptions& o) {
  take_common(fields, o);
  fields.take("thresholds", o.thresholds);
}
void take(Fields& fields, metrics::PrecisionOptions& o) {
  take_common(fields, o);
  fields.take("thresholds", o.thresholds);
  fields.take("top_k", o.top_k);
  fields.take("class_id", o.class_id);
}
template <class Best>
void take_best(Fields& fields, Best& o) {
  take_common(fields, o);
  fields.take_required(Best::kLeast, o.least);
  take_count(fields, "num_thresholds", o.num_thresholds, kMostThresholds);
  fields.take("class_id", o.class_id);
}
void take(Fields& fields, metrics::AtSpecificityOptions& o) {
  take_best(fields, o);
}
void take(Fields& fields, metrics::AtSensitivityOptions& o) {
  take_best(fields, o);
}
void take(Fields& fields, metrics::AtRecallOptions& o) {
  take_best(fields, o);
}
void take(Fields& fields, metrics::AtPrecisionOptions& o) {
  take_best(fields, o);
}
void take(Fields& fields, metrics::AUCOptions& o) {
  using Curve = metrics::AUCCurve;
  using Method = metrics::AUCSummationMethod;
  constexpr Word<Curve> kCurves[] = {{"ROC", Curve::kROC},       {"PR", Curve::kPR},
                                     {"PRGAIN", Curve::kPRGAIN}, {"roc", Curve::kROC},
                                     {"pr", Curve::kPR},         {"prgain", Curve::kPRGAIN}};
  constexpr Word<Method> kMethods[] = {
      {"interpolation", Method::kInterpolation}, {"majoring", Method::kMajoring},
      {"minoring", Method::kMinoring},           {"Interpolation", Method::kInterpolation},
      {"Majoring", Method::kMajoring},           {"Minoring", Method::kMinoring}};
  take_common(fields, o);
  if (!fields.leaves_out(o.thresholds.empty())) fields.take("thresholds", o.thresholds);
  // Keras counts the ends as well.
  if (!o.thresholds.empty()) o.num_thresholds = static_cast<std::int64_t>(o.thresholds.size()) + 2;
  take_count(fields, "num_thresholds", o.num_thresholds, kMostThresholds);
  fields.take("curve", o.curve, kCurves);
  fields.take("summation_method", o.summation_method, kMethods);
  fields.take("from_logits", o.from_logits);
  fields.fixed("multi_label", false);
  fields.fixed("num_labels", nullptr);
  fields.fixed("label_weights", nullptr);
}
void take(Fields& fields, metrics::R2ScoreOptions& o) {
  using Aggregation = metrics::ClassAggregation;
  constexpr Word<Aggregation> kAggregations[] = {
      {"uniform_average", Aggregation::kUniformAverage},
      {"variance_weighted_average", Aggregation::kVarianceWeightedAverage}};
  take_common(fields, o);
  fields.take("class_aggregation", o.class_aggregation, kAggregations);
  fields.take("num_regressors", o.num_regressors);
}
template <class Options>
void take_average(Fields& fields, metrics::Averaged<Options>& o) {
  using Average = metrics::Average;
  constexpr Word<Average> kAverages[] = {
      {"micro", Average::kMicro}, {"macro", Average::kMacro}, {"weighted", Average::kWeighted}};
  take_common(fields, o);
  fields.take("average", o.average, kAverages);
  fields.take("threshold", o.threshold);
  if (o.average) return;
  throw ValueError(fmt::format(
      "The metric {} needs the option average: micro, macro or weighted. Keras's default, None, "
      "gives a score for each class, and a metric is one number.",
      fields.name()));
}
void take(Fields& fields, metrics::Averaged<metrics::FBetaScoreOptions>& o) {
  take_average(fields, o);
  fields.take("beta", o.beta);
}
void take(Fields& fields, metrics::Averaged<metrics::F1ScoreOptions>& o) {
  take_average(fields, o);
}
void take_classes(Fields& fields, metrics::OfClasses<metrics::IoUOptions>& o) {
  fields.take("sparse_y_true", o.sparse_y_true);
}
void take_classes(Fields&, metrics::OfClasses<metrics::OneHotIoUOptions>&) {}
template <class Options>
void take_iou(Fields& fields, metrics::OfClasses<Options>& o) {
  take_common(fields, o, "int32");
  take_count(fields, "num_classes", o.num_classes, kMostClasses);
  if (!o.num_classes) fields.fail_missing("num_classes");
  fields.take("ignore_class", o.ignore_class);
  take_classes(fields, o);
  fields.take("sparse_y_pred", o.sparse_y_pred);
  fields.fixed("axis", -1);
}
template <class Options>
void take(Fields& fields, metrics::OfClasses<Options>& o) {
  take_iou(fields, o);
}
template <class Options>
void take(Fields& fields, metrics::OfTargets<Options>& o) {
  take_iou(fields, o);
  fields.take_required("target_class_ids", o.target_class_ids);
}
void take(Fields& fields, metrics::BinaryIoUOptions& o) {
  take_common(fields, o, "int32");
  fields.take("target_class_ids", o.target_class_ids);
  fields.take("threshold", o.threshold);
}

// Of metrics whose factories take their options one by one.
template <class Options, MetricPtr (*kMake)(std::string)>
MetricPtr named(const Options& o) {
  return kMake(o.name);
}
MetricPtr binary_accuracy(const metrics::BinaryAccuracyOptions& o) {
  return metrics::BinaryAccuracy(o.name, o.threshold);
}
template <MetricPtr (*kMake)(std::int64_t, std::string)>
MetricPtr top_k(const metrics::TopKOptions& o) {
  return kMake(o.k, o.name);
}
template <MetricPtr (*kMake)(double, metrics::AtThresholdOptions)>
MetricPtr best(const metrics::BestOptions& o) {
  return kMake(*o.least, o);
}
template <class Options, MetricPtr (*kMake)(metrics::Average, Options)>
MetricPtr averaged(const metrics::Averaged<Options>& o) {
  return kMake(*o.average, o);
}
template <class Options, MetricPtr (*kMake)(std::int64_t, Options)>
MetricPtr of_classes(const metrics::OfClasses<Options>& o) {
  return kMake(*o.num_classes, o);
}
template <class Options, MetricPtr (*kMake)(std::int64_t, std::vector<std::int64_t>, Options)>
MetricPtr of_targets(const metrics::OfTargets<Options>& o) {
  return kMake(*o.num_classes, *o.target_class_ids, o);
}

using metrics::AtPrecisionOptions;
using metrics::AtRecallOptions;
using metrics::AtSensitivityOptions;
using metrics::AtSpecificityOptions;
using metrics::Averaged;
using metrics::CorrelationOptions;
using metrics::F1ScoreOptions;
using metrics::FBetaScoreOptions;
using metrics::IoUOptions;
using metrics::NamedOptions;
using metrics::OfClasses;
using metrics::OfTargets;
using metrics::OneHotIoUOptions;
using metrics::TopKOptions;

template <class Options, auto kMake>
constexpr auto row(std::string_view name, std::array<std::string_view, 3> aliases = {}) {
  return maker<Options, take, kMake>(name, aliases);
}

constexpr Maker<MetricPtr> kMetrics[] = {
    row<NamedOptions, named<NamedOptions, metrics::Accuracy>>("Accuracy"),
    row<metrics::BinaryAccuracyOptions, binary_accuracy>("BinaryAccuracy", {"binary_accuracy"}),
    row<NamedOptions, named<NamedOptions, metrics::CategoricalAccuracy>>("CategoricalAccuracy",
                                                                         {"categorical_accuracy"}),
    row<NamedOptions, named<NamedOptions, metrics::SparseCategoricalAccuracy>>(
        "SparseCategoricalAccuracy", {"sparse_categorical_accuracy"}),
    row<TopKOptions, top_k<metrics::TopKCategoricalAccuracy>>("TopKCategoricalAccuracy",
                                                              {"top_k_categorical_accuracy"}),
    row<TopKOptions, top_k<metrics::SparseTopKCategoricalAccuracy>>(
        "SparseTopKCategoricalAccuracy", {"sparse_top_k_categorical_accuracy"}),
    row<NamedOptions, named<NamedOptions, metrics::RootMeanSquaredError>>(
        "RootMeanSquaredError", {"root_mean_squared_error"}),
    row<NamedOptions, named<NamedOptions, metrics::LogCoshError>>("LogCoshError",
                                                                  {"log_cosh_error"}),
    row<NamedOptions, named<NamedOptions, metrics::CosineSimilarity>>("CosineSimilarity",
                                                                      {"cosine_similarity"}),
    row<CorrelationOptions, named<CorrelationOptions, metrics::PearsonCorrelation>>(
        "PearsonCorrelation", {"pearson_correlation"}),
    row<CorrelationOptions, named<CorrelationOptions, metrics::ConcordanceCorrelation>>(
        "ConcordanceCorrelation", {"concordance_correlation"}),
    row<metrics::R2ScoreOptions, metrics::R2Score>("R2Score", {"r2_score"}),
    row<metrics::CountOptions, metrics::TruePositives>("TruePositives", {"true_positives"}),
    row<metrics::CountOptions, metrics::FalsePositives>("FalsePositives", {"false_positives"}),
    row<metrics::CountOptions, metrics::TrueNegatives>("TrueNegatives", {"true_negatives"}),
    row<metrics::CountOptions, metrics::FalseNegatives>("FalseNegatives", {"false_negatives"}),
    row<metrics::PrecisionOptions, metrics::Precision>("Precision", {"precision"}),
    row<metrics::PrecisionOptions, metrics::Recall>("Recall", {"recall"}),
    row<AtSpecificityOptions, best<metrics::SensitivityAtSpecificity>>(
        "SensitivityAtSpecificity", {"sensitivity_at_specificity"}),
    row<AtSensitivityOptions, best<metrics::SpecificityAtSensitivity>>(
        "SpecificityAtSensitivity", {"specificity_at_sensitivity"}),
    row<AtRecallOptions, best<metrics::PrecisionAtRecall>>("PrecisionAtRecall",
                                                           {"precision_at_recall"}),
    row<AtPrecisionOptions, best<metrics::RecallAtPrecision>>("RecallAtPrecision",
                                                              {"recall_at_precision"}),
    row<metrics::AUCOptions, metrics::AUC>("AUC", {"auc"}),
    row<Averaged<FBetaScoreOptions>, averaged<FBetaScoreOptions, metrics::FBetaScore>>(
        "FBetaScore", {"f_beta_score"}),
    row<Averaged<F1ScoreOptions>, averaged<F1ScoreOptions, metrics::F1Score>>("F1Score",
                                                                              {"f1_score"}),
    row<OfTargets<IoUOptions>, of_targets<IoUOptions, metrics::IoU>>("IoU", {"io_u"}),
    row<OfClasses<IoUOptions>, of_classes<IoUOptions, metrics::MeanIoU>>("MeanIoU", {"mean_io_u"}),
    row<OfTargets<OneHotIoUOptions>, of_targets<OneHotIoUOptions, metrics::OneHotIoU>>(
        "OneHotIoU", {"one_hot_io_u"}),
    row<OfClasses<OneHotIoUOptions>, of_classes<OneHotIoUOptions, metrics::OneHotMeanIoU>>(
        "OneHotMeanIoU", {"one_hot_mean_io_u"}),
    row<metrics::BinaryIoUOptions, metrics::BinaryIoU>("BinaryIoU", {"binary_io_u"}),
};

/// Null where the name is none of the table's.
const Maker<MetricPtr>* maker_of(std::string_view name) {
  const auto maker = std::find_if(std::begin(kMetrics), std::end(kMetrics),
                                  [&](const auto& each) { return is_named(each, name); });
  return maker == std::end(kMetrics) ? nullptr : maker;
}

/// "accuracy" or "acc", in any case.
bool names_accuracy(std::string_view name) {
  return equal_ignoring_case(name, "accuracy") || equal_ignoring_case(name, "acc");
}

[[noreturn]] void refuse(std::string_view name) {
  std::string known = "accuracy";
  for (const Maker<MetricPtr>& maker : kMetrics) {
    if (!names_accuracy(maker.name)) known += ", " + std::string(maker.name);
  }
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

MetricPtr accuracy_for(const Shape& y_true, const Shape& y_pred, std::string name) {
  if (y_pred.rank() == 0) throw ValueError("Metric 'accuracy': the predictions are a scalar.");
  if (y_pred[-1] == 1) return metrics::BinaryAccuracy(std::move(name));
  const bool one_label = y_true.rank() < y_pred.rank() || y_true[-1] == 1;
  return one_label ? metrics::SparseCategoricalAccuracy(std::move(name))
                   : metrics::CategoricalAccuracy(std::move(name));
}

}  // namespace

std::span<const Maker<MetricPtr>> metric_makers() {
  return kMetrics;
}

MetricPtr make_metric(std::string_view text) {
  Spec spec(text, "metric");
  if (names_accuracy(spec.name())) {
    throw ValueError(
        fmt::format("The metric '{}' takes no options, since it is what fits the data; "
                    "BinaryAccuracy, CategoricalAccuracy and SparseCategoricalAccuracy take them",
                    spec.name()));
  }
  if (const Maker<MetricPtr>* maker = maker_of(spec.name())) return maker->make(spec);
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
