#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "training/fields.h"

namespace lamina::training {

/// Options out of an object's `config`, as Keras writes it.
class ConfigReader : public Fields {
 public:
  /// Throws FormatError where `config` is no object. Keeps a reference to it. `what` and `name`
  /// name the object in messages: "optimizer", "Adam".
  ConfigReader(const nlohmann::json& config, std::string what, std::string name);

  using Fields::take;
  void take(const char* key, double& into) override;
  void take(const char* key, std::int64_t& into) override;
  void take(const char* key, bool& into) override;
  void take(const char* key, std::string& into) override;
  void take(const char* key, LearningRate& into) override;
  void take(const char* key, OptimizerPtr& into) override;
  void take(const char* key, std::vector<double>& into) override;
  void take(const char* key, std::vector<std::int64_t>& into) override;
  void take(const char* key, std::vector<std::string>& into) override;
  /// Throws UnsupportedError for another value.
  void fixed(const char* key, Constant value) override;
  void unused(const char* key, const char* value) override;
  [[nodiscard]] bool untrusted() const override { return true; }
  /// Throws UnsupportedError.
  void finish() const override;

 protected:
  Given given(const char* key, bool holds) override;

 private:
  const nlohmann::json* find(const char* key);
  [[noreturn]] void refuse(const char* key, const char* expected) const;
  template <class T>
  void take_list(const char* key, std::vector<T>& into, const char* expected);

  const nlohmann::json& config_;
  std::vector<std::string> known_;
};

/// The number, which is to be written. Throws UnsupportedError, naming it as `what`, for infinities
/// and NaN, of which JSON would make null.
double finite_number(double value, std::string_view what);

/// The other way round: options become a `config` as Keras would write it.
class ConfigWriter : public Fields {
 public:
  explicit ConfigWriter(std::string name) : Fields("object", std::move(name)) {}

  using Fields::take;
  void take(const char* key, double& value) override;
  void take(const char* key, std::int64_t& value) override { config[key] = value; }
  void take(const char* key, bool& value) override { config[key] = value; }
  void take(const char* key, std::string& value) override { config[key] = value; }
  void take(const char* key, LearningRate& value) override;
  void take(const char* key, OptimizerPtr& value) override;
  void take(const char* key, std::vector<double>& value) override;
  void take(const char* key, std::vector<std::int64_t>& value) override { config[key] = value; }
  void take(const char* key, std::vector<std::string>& value) override { config[key] = value; }
  void fixed(const char* key, Constant value) override;
  void unused(const char* key, const char* value) override { config[key] = value; }
  [[nodiscard]] bool leaves_out(bool is_default) const override { return is_default; }

  nlohmann::json config = nlohmann::json::object();

 protected:
  Given given(const char* key, bool holds) override;

 private:
  [[nodiscard]] double checked(const char* key, double value) const;
};

}  // namespace lamina::training
