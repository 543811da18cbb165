#pragma once
#include <set>

#include "layers/config/config.h"
#include "layers/config/unused_options.h"

namespace lamina::layers {

/// Reads one Keras `config` object and remembers which options were read, so that `finish` can
/// refuse those that nobody knows.
class ConfigReader final : public Config {
 public:
  /// Throws UnsupportedError when `config` is no object.
  ConfigReader(std::string class_name, const nlohmann::json& config);

  void required(std::initializer_list<std::string_view> options) override;
  void boolean(std::string_view option, bool& value) override;
  void integer(std::string_view option, std::int64_t& value) override;
  void optional_integer(std::string_view option, std::optional<std::int64_t>& value) override;
  void number(std::string_view option, double& value) override;
  void optional_number(std::string_view option, std::optional<double>& value) override;
  void string(std::string_view option, std::string& value) override;
  void optional_string(std::string_view option, std::string& value) override;
  void single(std::string_view option, std::int64_t& value) override;
  void optional_single(std::string_view option, std::optional<std::int64_t>& value) override;
  void pair(std::string_view option, IntPair& value) override;
  void optional_pair(std::string_view option, std::optional<IntPair>& value) override;
  void triple(std::string_view option, IntTriple& value) override;
  void optional_triple(std::string_view option, std::optional<IntTriple>& value) override;
  void axis(std::string_view option, std::int64_t& value) override;
  void axes(std::string_view option, Axes& value, AxesForm form) override;
  void integers(std::string_view option, std::vector<std::int64_t>& value) override;
  void shape(std::string_view option, Shape& value) override;
  void optional_shape(std::string_view option, OptionalShape& value) override;
  void batch_shape(std::string_view option, OptionalShape& value) override;
  void padding2d(std::string_view option, Padding2D& value) override;
  void padding3d(std::string_view option, Padding3D& value) override;
  void array(std::string_view option, ArrayLike& value) override;
  void seed(std::optional<std::uint64_t>& value) override;
  /// Null is the weight's default.
  void initializer(std::string_view option, Initializer& value) override;
  void activation(std::string_view option, ActivationFunction& value) override;
  /// One that Lamina lacks is none for prediction and one of `training_options`.
  void regularizer(std::string_view option, Regularizer& value) override;
  void constraint(std::string_view option, Constraint& value) override;
  void layer(std::string_view option, LayerPtr& value, bool optional) override;
  void layers(std::string_view option, std::vector<LayerPtr>& value) override;
  void names_activity_regularizer() override {}
  void dtype_policy(std::string& name) override;
  void dtype(std::string& name) override;
  void unused(std::string_view option, const nlohmann::json& keras_default) override;
  void unused(std::initializer_list<std::string_view> options) override;
  void training_only(std::initializer_list<std::string_view> options) override;
  void fixed(std::string_view option, const nlohmann::json& value) override;
  void absent(std::initializer_list<std::string_view> options) override;

  /// The one that any layer may have.
  [[nodiscard]] Regularizer activity_regularizer();
  /// Throws for an option that was not read.
  void finish() const;

  /// What training lacks.
  [[nodiscard]] const std::vector<TrainingOption>& training_options() const noexcept {
    return training_options_;
  }
  /// That, and what else changes nothing; null when there is nothing.
  [[nodiscard]] const nlohmann::json& unused_options() const noexcept { return unused_; }
  [[nodiscard]] const std::string& class_name() const noexcept { return class_name_; }

 private:
  [[nodiscard]] const nlohmann::json* find(std::string_view option);
  /// The same, null as if it were missing.
  [[nodiscard]] const nlohmann::json* find_given(std::string_view option);
  /// "Layer 'conv' (Conv2D): the option 'strides'".
  [[nodiscard]] std::string named(std::string_view option) const;
  /// `more` ends the message.
  [[noreturn]] void unsupported(std::string_view option, const std::string& more = {}) const;
  [[nodiscard]] std::int64_t to_integer(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] std::int64_t to_single(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] IntPair to_pair(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] IntTriple to_triple(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] Shape to_shape(std::string_view option, const nlohmann::json& value) const;
  [[nodiscard]] LayerPtr to_layer(std::string_view option, const nlohmann::json& value) const;
  void keep(std::string_view option);

  std::string class_name_;
  const nlohmann::json& config_;
  std::set<std::string, std::less<>> known_;
  nlohmann::json unused_;
  std::vector<TrainingOption> training_options_;
};

}  // namespace lamina::layers
