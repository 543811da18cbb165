#pragma once
#include <lamina/optimizers.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lamina::training {

/// A word of Keras's and what it stands for.
template <class E>
struct Word {
  std::string_view word;
  E value;
};

/// The options of one object, by Keras's names: they are read out of words (Spec) or of a
/// configuration (ConfigReader), or written into one (ConfigWriter). Each class says what its
/// options are once, to any of these.
class Fields {
 public:
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;
  virtual ~Fields() = default;

  /// The class's.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // Each option: when reading it is set if it is there, and ValueError is thrown for a value of
  // another kind; when writing it is given.
  virtual void take(const char* key, double& value) = 0;
  virtual void take(const char* key, std::int64_t& value) = 0;
  virtual void take(const char* key, bool& value) = 0;
  virtual void take(const char* key, std::string& value) = 0;
  virtual void take(const char* key, LearningRate& value) = 0;
  virtual void take(const char* key, OptimizerPtr& value) = 0;
  virtual void take(const char* key, std::vector<double>& value) = 0;
  virtual void take(const char* key, std::vector<std::int64_t>& value) = 0;
  virtual void take(const char* key, std::vector<std::string>& value) = 0;
  template <class T, class... Words>
  void take(const char* key, std::optional<T>& value, const Words&... words);
  /// One of some words, the first of those that mean the same when writing.
  template <class E, std::size_t kCount>
  void take(const char* key, E& value, const Word<E> (&words)[kCount]);
  /// One that has no default.
  template <class T>
  void take_required(const char* key, std::optional<T>& value);

  using Constant = std::variant<std::nullptr_t, bool, std::int64_t, const char*>;
  /// An option of Keras's that has this value here: configurations that say otherwise are refused.
  virtual void fixed(const char* key, Constant value) = 0;
  /// One that changes nothing here.
  virtual void unused(const char* key, const char* value) = 0;
  /// True when an option that is Keras's default is to be passed over.
  [[nodiscard]] virtual bool leaves_out(bool /*is_default*/) const { return false; }
  /// True for what nobody vouches for: numbers that say how much memory is to be had need a limit.
  [[nodiscard]] virtual bool untrusted() const { return false; }

  /// Throws for an option that nothing has taken, listing those there are.
  virtual void finish() const {}
  /// Throws ValueError for the value of an option, or for one that is not there.
  [[noreturn]] void fail(const char* key, const std::string& value,
                         const std::string& expected) const;
  [[noreturn]] void fail_missing(const char* key) const;

 protected:
  /// `what` names the kind of thing in messages: "optimizer".
  explicit Fields(std::string what, std::string name = {})
      : what_(std::move(what)), name_(std::move(name)) {}

  enum class Given {
    kNot,    ///< the option stays as it is
    kNone,   ///< it is to be none
    kValue,  ///< it has a value
  };
  /// Of an option that may be none; when writing, `holds` says whether it has a value.
  virtual Given given(const char* key, bool holds) = 0;

  std::string what_, name_;
};

template <class T, class... Words>
void Fields::take(const char* key, std::optional<T>& value, const Words&... words) {
  switch (given(key, value.has_value())) {
    case Given::kNot:
      return;
    case Given::kNone:
      value.reset();
      return;
    case Given::kValue:
      if (!value) value.emplace();
      take(key, *value, words...);
      return;
  }
}

template <class E, std::size_t kCount>
void Fields::take(const char* key, E& value, const Word<E> (&words)[kCount]) {
  std::string word, known;
  for (const Word<E>& each : words) {
    if (word.empty() && each.value == value) word = each.word;
    known += (known.empty() ? "" : ", ") + std::string(each.word);
  }
  take(key, word);
  for (const Word<E>& each : words) {
    if (each.word != word) continue;
    value = each.value;
    return;
  }
  fail(key, word, "one of " + known);
}

template <class T>
void Fields::take_required(const char* key, std::optional<T>& value) {
  take(key, value);
  if (!value) fail_missing(key);
}

}  // namespace lamina::training
