// One tensor as several.
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// More than this are a mistake, or a trap.
constexpr std::int64_t kMostParts = 1 << 16;

/// At indices, or into so many alike.
class Split final : public SeveralOutputs {
 public:
  explicit Split(OperationForm form)
      : SeveralOutputs(std::move(form), Operands::kTensor, {"indices_or_sections", "axis"}) {
    const auto given = integers("indices_or_sections");
    if (!given) unsupported("`indices_or_sections` that are None");
    sections_ = option("indices_or_sections").is_number();
    numbers_ = *given;
    if (sections_ && numbers_[0] < 1) fail("number sections must be larger than 0.");
    if (sections_ && numbers_[0] > kMostParts) unsupported("a list of so many parts");
    (void)integer("axis", 0);
  }

 protected:
  [[nodiscard]] Shapes shapes(const Shapes& x) const override {
    const std::size_t at = axis_index(integer("axis", 0), x.at(0).rank());
    Shapes out;
    for (const std::int64_t size : sizes(x[0].dims()[at])) {
      out.push_back(x[0]);
      out.back()[static_cast<std::int64_t>(at)] = size;
    }
    return out;
  }
  [[nodiscard]] Ids lower_all(Builder& builder, const Ids& x) const override {
    const Shape shape = builder.shape(x[0]);
    const std::size_t at = axis_index(integer("axis", 0), shape.rank());
    Ids out;
    std::int64_t begin = 0;
    for (const std::int64_t size : sizes(shape.dims()[at])) {
      out.push_back(cropped(builder, x[0], at, begin, size));
      begin += size;
    }
    return out;
  }

 private:
  [[nodiscard]] std::vector<std::int64_t> sizes(std::int64_t whole) const {
    if (sections_) {
      const std::int64_t count = numbers_[0];
      if (whole != kNone && whole % count != 0) {
        fail(
            "`x` size on given `axis` must be divisible by `indices_or_sections` when "
            "`indices_or_sections` is an int. But received " +
            std::to_string(whole) + " and " + std::to_string(count) + ".");
      }
      return std::vector<std::int64_t>(static_cast<std::size_t>(count),
                                       whole == kNone ? kNone : whole / count);
    }
    std::vector<std::int64_t> out;
    std::int64_t begin = 0;
    for (const std::int64_t end : numbers_) {
      if (end < begin || (whole != kNone && end > whole)) {
        unsupported("a list of indices that do not ascend within the axis");
      }
      out.push_back(end - begin);
      begin = end;
    }
    out.push_back(whole == kNone ? kNone : whole - begin);
    return out;
  }

  bool sections_ = false;
  std::vector<std::int64_t> numbers_;
};

/// Each element of an axis, without the axis.
class Unstack final : public SeveralOutputs {
 public:
  explicit Unstack(OperationForm form)
      : SeveralOutputs(std::move(form), Operands::kTensor, {"num", "axis"}) {
    for (const char* key : {"num", "axis"}) (void)integer(key, 0);
  }

 protected:
  [[nodiscard]] Shapes shapes(const Shapes& x) const override {
    const std::size_t at = axis_index(integer("axis", 0), x.at(0).rank());
    const std::int64_t size = x[0].dims()[at], count = integer("num", size);
    if (count == kNone) {
      fail("Cannot infer argument `num` from shape " + x[0].str() +
           ". Either provide a tensor with a concrete shape in the `axis` dimension or explicitly "
           "pass the `num` argument.");
    }
    if (count > kMostParts) unsupported("a list of so many parts");
    if (count < 1 || (size != kNone && size != count)) {
      fail("`num` is " + std::to_string(count) + ", and the axis of the shape " + x[0].str() +
           " has " + std::to_string(size) + " elements.");
    }
    std::vector<std::int64_t> dims = x[0].dims();
    dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(at));
    return Shapes(static_cast<std::size_t>(count), Shape(std::move(dims)));
  }
  [[nodiscard]] Ids lower_all(Builder& builder, const Ids& x) const override {
    const Shapes to = shapes({builder.shape(x[0])});
    const std::size_t at = axis_index(integer("axis", 0), builder.shape(x[0]).rank());
    Ids out;
    for (std::size_t i = 0; i < to.size(); ++i) {
      const ValueId part = cropped(builder, x[0], at, static_cast<std::int64_t>(i), 1);
      out.push_back(builder.reshape(part, to[i]));
    }
    return out;
  }
};

}  // namespace

OperationRows splitting_operations() {
  return {operation_row<Split>("Split", kNumpyOps), operation_row<Unstack>("Unstack", kCoreOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

SymbolicTensors split(const SymbolicTensor& x, std::int64_t sections, std::int64_t axis) {
  return layers::call_for_list("Split", x, {{"indices_or_sections", sections}, {"axis", axis}});
}
SymbolicTensors split(const SymbolicTensor& x, const std::vector<std::int64_t>& indices,
                      std::int64_t axis) {
  return layers::call_for_list("Split", x, {{"indices_or_sections", indices}, {"axis", axis}});
}
SymbolicTensors unstack(const SymbolicTensor& x, std::optional<std::int64_t> num,
                        std::int64_t axis) {
  nlohmann::json config = {{"num", nullptr}, {"axis", axis}};
  if (num) config["num"] = *num;
  return layers::call_for_list("Unstack", x, std::move(config));
}

}  // namespace lamina::ops
