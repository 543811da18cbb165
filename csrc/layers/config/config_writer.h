#pragma once
#include "layers/config/config.h"

namespace lamina::layers {

/// Writes one Keras `config` object.
class ConfigWriter final : public Config {
 public:
  /// Of a layer: "Layer 'd' (Dense)", for messages, and its dtype policy.
  explicit ConfigWriter(const Layer& layer);

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
  void initializer(std::string_view option, Initializer& value) override;
  void activation(std::string_view option, ActivationFunction& value) override;
  void regularizer(std::string_view option, Regularizer& value) override;
  void constraint(std::string_view option, Constraint& value) override;
  void layer(std::string_view option, LayerPtr& value, bool optional) override;
  void layers(std::string_view option, std::vector<LayerPtr>& value) override;
  void names_activity_regularizer() override;
  void dtype_policy(std::string& name) override;
  void dtype(std::string& name) override;
  void unused(std::string_view option, const nlohmann::json& keras_default) override;
  void unused(std::initializer_list<std::string_view> options) override;
  void training_only(std::initializer_list<std::string_view> options) override;
  void fixed(std::string_view option, const nlohmann::json& value) override;
  void absent(std::initializer_list<std::string_view> options) override;

  /// For the `config` of the object that is the option's value.
  [[nodiscard]] ConfigWriter inside(std::string_view option) const;
  /// Throws UnsupportedError: "Layer 'd' (Dense): the option 'activation' `why`".
  [[noreturn]] void fail(const std::string& why) const;

  void set(std::string_view option, nlohmann::json value);
  [[nodiscard]] nlohmann::json take() && { return std::move(config_); }

 private:
  explicit ConfigWriter(std::string where) : where_(std::move(where)) {}
  [[nodiscard]] nlohmann::json object_of(std::string_view option, const Layer& layer) const;
  void check_finite(std::string_view option, double value) const;

  std::string where_;
  nlohmann::json config_ = nlohmann::json::object();
};

}  // namespace lamina::layers
