#pragma once
#include <lamina/error.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "helpers.h"
#include "training/makers.h"

namespace lamina::test {

/// Draws every option that a class asks for, whatever the class, and keeps what it gave.
class RandomFields : public training::Fields {
 public:
  RandomFields(Random& random, std::string name)
      : Fields("object", std::move(name)), random_(random) {}

  using Fields::take;
  void take(const char* key, double& value) override {
    const bool negative = std::string_view(key) == "learning_rate_power";
    keep(key, value = negative ? -number() : number());
  }
  void take(const char* key, std::int64_t& value) override {
    keep(key, value = random_.integer(2, 9));
  }
  void take(const char* key, bool& value) override {
    keep(key, value = random_.integer(0, 1) == 1);
  }
  void take(const char* key, std::string& value) override {
    const auto words = words_of(key);
    value = words.empty() ? "name_" + std::to_string(random_.integer(0, 999))
                          : words[static_cast<std::size_t>(
                                random_.integer(0, static_cast<std::int64_t>(words.size()) - 1))];
    keep(key, value);
  }
  /// Schedules are kept as none.
  void take(const char* key, LearningRate& value) override {
    if (random_.integer(0, 1) == 0) {
      value = number();
      keep(key, static_cast<double>(static_cast<float>(value.value())));
      return;
    }
    const auto makers = training::schedule_makers();
    value = any_of(makers);
  }
  void take(const char* /*key*/, OptimizerPtr& value) override {
    const auto makers = training::optimizer_makers();
    value = any_of(makers.first(makers.size() - 1));  // but for the one that wraps
  }
  void take(const char* key, std::vector<double>& value) override {
    value = {0.125, 0.25 + 0.1 * number(), 0.75};
    keep(key, value);
  }
  void take(const char* key, std::vector<std::int64_t>& value) override {
    value = {0, 1};
    keep(key, value);
  }
  void take(const char* key, std::vector<std::string>& value) override {
    value.clear();
    for (std::int64_t i = random_.integer(0, 2); i > 0; --i) {
      value.push_back("dense_" + std::to_string(random_.integer(0, 9)) + "/");
    }
    keep(key, value);
  }
  void fixed(const char* /*key*/, Constant /*value*/) override {}
  void unused(const char* /*key*/, const char* /*value*/) override {}

  nlohmann::json drawn = nlohmann::json::object();

 protected:
  Given given(const char* key, bool /*holds*/) override {
    const std::string name = key;
    const bool clips = name.starts_with("clip") || name == "global_clipnorm";
    const bool needed = name_of_needed(name);
    const bool wanted = needed || random_.integer(0, 1) == 1;
    if (!wanted || (clips && std::exchange(clipped_, true))) {
      drawn[key] = nullptr;
      return Given::kNone;
    }
    return Given::kValue;
  }

 private:
  static bool name_of_needed(const std::string& key) {
    static const std::vector<std::string> kNeeded = {
        "average",     "num_classes", "target_class_ids", "specificity",
        "sensitivity", "recall",      "precision"};
    return std::find(kNeeded.begin(), kNeeded.end(), key) != kNeeded.end();
  }
  static std::vector<std::string> words_of(const std::string& key) {
    static const std::map<std::string, std::vector<std::string>> kWords = {
        {"reduction", {"sum_over_batch_size", "sum", "mean_with_sample_weight"}},
        {"curve", {"ROC", "PR", "PRGAIN"}},
        {"summation_method", {"interpolation", "majoring", "minoring"}},
        {"class_aggregation", {"uniform_average", "variance_weighted_average"}},
        {"average", {"micro", "macro", "weighted"}}};
    const auto it = kWords.find(key);
    return it == kWords.end() ? std::vector<std::string>() : it->second;
  }
  [[nodiscard]] double number() { return random_.uniform(0.05, 0.95); }
  void keep(const char* key, nlohmann::json value) { drawn[key] = std::move(value); }
  template <class Result>
  Result any_of(std::span<const training::Maker<Result>> makers) {
    const auto& maker = makers[static_cast<std::size_t>(
        random_.integer(0, static_cast<std::int64_t>(makers.size()) - 1))];
    RandomFields fields(random_, std::string(maker.name));
    return maker.make(fields);
  }

  Random& random_;
  bool clipped_ = false;
};

}  // namespace lamina::test
