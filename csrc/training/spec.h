#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "training/fields.h"

namespace lamina::training {

/// A class with options, in words: "Adam:learning_rate=0.001,clipnorm=1". A value may be a class
/// with options in parentheses: "SGD:learning_rate=ExponentialDecay(decay_steps=10,...)".
class Spec : public Fields {
 public:
  /// `what` names the kind of thing in messages: "optimizer". Throws ValueError for text that is
  /// none of this.
  Spec(std::string_view text, std::string what);

  using Fields::take;
  void take(const char* key, double& into) override;
  void take(const char* key, std::int64_t& into) override;
  void take(const char* key, bool& into) override;
  void take(const char* key, std::string& into) override;
  void take(const char* key, LearningRate& into) override;
  void take(const char* key, OptimizerPtr& into) override;
  void take(const char* key, std::vector<double>& into) override;  // "[0.1 0.2]"
  void take(const char* key, std::vector<std::int64_t>& into) override;
  void take(const char* key, std::vector<std::string>& into) override;  // "[dense head]"
  // Words say only what is not always so.
  void fixed(const char* /*key*/, Constant /*value*/) override {}
  void unused(const char* /*key*/, const char* /*value*/) override {}
  void finish() const override;

 protected:
  Given given(const char* key, bool holds) override;

 private:
  const std::string* find(const char* key);

  std::map<std::string, std::string> options_;
  std::vector<std::string> known_;
};

}  // namespace lamina::training
