// The elements of axes with others around them.
#include <algorithm>

#include "layers/operations/operations.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;

class Pad final : public Operation {
 public:
  explicit Pad(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"pad_width", "mode", "constant_values"}) {
    const json& mode = option("mode");
    mode_ = mode.is_string() ? mode.get<std::string>() : "constant";
    if (mode_ != "constant" && mode_ != "reflect" && mode_ != "symmetric" && mode_ != "edge") {
      unsupported("the mode '" + mode_ + "'");
    }
    if (mode_ != "constant" && !value().is_null()) {
      fail(
          "Argument `constant_values` can only be provided when `mode == 'constant'`. Received: "
          "mode=" +
          mode_);
    }
    read_widths(option("pad_width"));
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (widths_.size() > 1 && widths_.size() != x.at(0).rank()) {
      fail("`pad_width` must have the same length as `x.shape`. Received: pad_width=" +
           option("pad_width").dump() + " (of length " + std::to_string(widths_.size()) +
           ") and x.shape=" + x[0].str() + " (of length " + std::to_string(x[0].rank()) + ")");
    }
    Shape out = x.at(0);
    for (std::size_t i = 0; i < out.rank(); ++i) {
      std::int64_t& dim = out[static_cast<std::int64_t>(i)];
      if (dim == kNone) continue;
      check(i, dim);
      dim += width(i).first + width(i).second;
    }
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    if (mode_ == "constant") return with_constant(builder, x[0], to);
    ValueId y = x[0];
    for (std::size_t i = 0; i < to.shape.rank(); ++i) {
      if (width(i) == Width{0, 0}) continue;
      const std::int64_t size = builder.shape(y).dims()[i];
      std::vector<std::int64_t> indices;
      for (std::int64_t at = -width(i).first; at < size + width(i).second; ++at) {
        indices.push_back(inside(at, size));
      }
      y = chosen(builder, y, i, indices);
    }
    return y;
  }

 private:
  using Width = std::pair<std::int64_t, std::int64_t>;
  static constexpr std::int64_t kMostWidth = std::int64_t{1} << 40;

  /// One for all, or one for each axis: a number, or what goes before and behind.
  void read_widths(const json& given) {
    const json all =
        given.is_array() && !given.empty() && given[0].is_array() ? given : json::array({given});
    for (const json& item : all) {
      const json pair = item.is_array() ? item : json::array({item});
      const bool good = (pair.size() == 1 || pair.size() == 2) && pair[0].is_number_integer() &&
                        pair.back().is_number_integer();
      if (!good) unsupported("option 'pad_width'");
      widths_.emplace_back(pair[0].get<std::int64_t>(), pair.back().get<std::int64_t>());
      if (widths_.back().first < 0 || widths_.back().second < 0) {
        fail("index can't contain negative values");
      }
      if (widths_.back().first > kMostWidth || widths_.back().second > kMostWidth) {
        fail("An axis would be too large.");
      }
    }
  }
  [[nodiscard]] Width width(std::size_t axis) const {
    return widths_.size() == 1 ? widths_[0] : widths_.at(axis);
  }
  [[nodiscard]] const json& value() const {
    static const json kNull;
    const auto it = form().keywords.find("constant_values");
    return it == form().keywords.end() ? kNull : *it;
  }
  /// Only what is there can be repeated.
  void check(std::size_t axis, std::int64_t size) const {
    if (mode_ == "constant" || width(axis) == Width{0, 0}) return;
    if (size == 0) fail("cannot pad an empty axis in the mode '" + mode_ + "'.");
  }
  /// The element that stands at a place before or behind the axis.
  [[nodiscard]] std::int64_t inside(std::int64_t at, std::int64_t size) const {
    if (mode_ == "edge") return std::clamp<std::int64_t>(at, 0, size - 1);
    if (size == 1) return 0;
    // There and back again: a mirror between two elements, or on one.
    const std::int64_t period = mode_ == "reflect" ? 2 * size - 2 : 2 * size;
    const std::int64_t place = (at % period + period) % period;
    return place < size ? place : (mode_ == "reflect" ? period : period - 1) - place;
  }
  [[nodiscard]] ValueId with_constant(Builder& builder, ValueId x,
                                      const ops::TensorSpec& to) const {
    ops::Pad op;
    op.x = builder.spec(x);
    op.y = to;
    op.value = value().is_null() ? 0 : value().get<double>();
    for (std::size_t i = 0; i < to.shape.rank(); ++i) {
      op.before.push_back(width(i).first);
      op.after.push_back(width(i).second);
    }
    return builder.emit(std::move(op), {x});
  }

  std::string mode_;
  std::vector<Width> widths_;
};

}  // namespace

OperationRows padding_operations() {
  return {operation_row<Pad>("Pad", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

SymbolicTensor pad(const SymbolicTensor& x,
                   const std::vector<std::pair<std::int64_t, std::int64_t>>& pad_width,
                   const std::string& mode, std::optional<Operand> constant_values) {
  nlohmann::json widths = nlohmann::json::array(), keywords = nlohmann::json::object();
  for (const auto& [before, behind] : pad_width) {
    widths.push_back(nlohmann::json::array({before, behind}));
  }
  if (constant_values) keywords["constant_values"] = layers::number_to_config(*constant_values);
  return layers::call_operation("Pad", SymbolicTensors{x}, {{"pad_width", widths}, {"mode", mode}},
                                nlohmann::json::array({layers::tensor_argument(0)}),
                                std::move(keywords));
}

}  // namespace lamina::ops
