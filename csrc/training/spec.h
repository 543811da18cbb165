#pragma once
#include <lamina/optimizers.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::training {

/// A class with options, in words: "Adam:learning_rate=0.001,clipnorm=1". A value may be a class
/// with options in parentheses: "SGD:learning_rate=ExponentialDecay(decay_steps=10,...)".
class Spec {
 public:
  /// `what` names the kind of thing in messages: "optimizer". Throws ValueError for text that is
  /// none of this.
  Spec(std::string_view text, std::string what);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Each takes the option if it is there, and throws ValueError for a value of another kind.
  void take(const char* key, double& into);
  void take(const char* key, std::int64_t& into);
  void take(const char* key, bool& into);
  void take(const char* key, std::string& into);
  void take(const char* key, LearningRate& into);
  void take(const char* key, std::vector<double>& into);  // "[0.1 0.2]"
  void take(const char* key, std::vector<std::int64_t>& into);
  template <class T>
  void take(const char* key, std::optional<T>& into) {
    if (!options_.contains(key)) {
      (void)find(key);
      return;
    }
    take(key, into.emplace());
  }
  /// Throws ValueError for an option that nothing has taken, listing those there are.
  void finish() const;

 private:
  const std::string* find(const char* key);
  [[noreturn]] void fail(const char* key, const std::string& value, const char* expected) const;

  std::string what_, name_;
  std::map<std::string, std::string> options_;
  std::vector<std::string> known_;
};

}  // namespace lamina::training
