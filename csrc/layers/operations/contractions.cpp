// Sums of products over axes: einsum, and what it could say.
#include "layers/contraction.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "layers/einsum_equation.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;

/// A letter for each axis of each operand, and of the result. Letters that an equation does not
/// have stand for what its ellipses leave out.
struct Subscripts {
  std::vector<std::string> operands;
  std::string result;
};

/// What sums products of tensors of floats by subscripts.
class Contraction : public Operation {
 public:
  using Operation::Operation;

 protected:
  [[nodiscard]] virtual Subscripts subscripts(const Shapes& x) const = 0;

  [[nodiscard]] Shape shape(const Shapes& x) const final {
    const Subscripts found = subscripts(x);
    Shape out;
    for (const char letter : found.result) out.push_back(size_of(letter, found, x));
    // The others have to fit, too.
    for (const std::string& operand : found.operands) {
      for (const char letter : operand) (void)size_of(letter, found, x);
    }
    return out;
  }
  [[nodiscard]] DType dtype(const DTypes& x) const final {
    DType dtype = x.at(0);
    for (const DType other : x) dtype = promoted(dtype, other);
    if (!is_floating(dtype)) unsupported("a product of integers");
    return dtype;
  }
  /// From the left to the right; what no other operand needs is summed over early.
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const final {
    const ops::TensorSpec to = result(builder, x);
    Shapes shapes;
    for (const ValueId id : x) shapes.push_back(builder.shape(id));
    const Subscripts found = subscripts(shapes);
    Lettered y{builder.cast(x[0], to.dtype), found.operands[0]};
    for (std::size_t i = 1; i < x.size(); ++i) {
      std::string kept = found.result;
      for (std::size_t k = i + 1; k < x.size(); ++k) kept += found.operands[k];
      y = contracted(builder, y, {builder.cast(x[i], to.dtype), found.operands[i]}, kept);
    }
    y = summed(builder, y, found.result);
    return builder.reshape(ordered(builder, y, found.result), to.shape);
  }

 private:
  [[nodiscard]] std::int64_t size_of(char letter, const Subscripts& found, const Shapes& x) const {
    std::int64_t size = 1;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t at = found.operands[i].find(letter);
      if (at == std::string::npos) continue;
      const std::int64_t dim = x[i].dims()[at];
      if (size != 1 && dim != 1 && size != kNone && dim != kNone && size != dim) {
        refuse_sizes(size, dim, x);
      }
      if (size == 1 || (size == kNone && dim != 1)) size = dim;
    }
    return size;
  }
  [[noreturn]] void refuse_sizes(std::int64_t one, std::int64_t other, const Shapes& x) const {
    std::string shapes;
    for (const Shape& shape : x) shapes.append(shapes.empty() ? "" : ", ").append(shape.str());
    fail("Sizes of an axis that is summed over or shared do not match: " + std::to_string(one) +
         " and " + std::to_string(other) + ". Received shapes: " + shapes + ".");
  }
};

/// The letters that a text does not have, one after another.
class Spare {
 public:
  explicit Spare(const std::string& used) : used_(used.begin(), used.end()) {}
  [[nodiscard]] std::string take(std::size_t count) {
    std::string out;
    while (out.size() < count) {
      // Subscripts have ASCII letters; any other character can stand for an axis.
      if (next_ == 127) throw UnsupportedError("So many axes are not supported.");
      if (!used_.contains(++next_)) out += next_;
    }
    return out;
  }

 private:
  std::set<char> used_;
  char next_ = ' ';
};

class Einsum final : public Contraction {
 public:
  explicit Einsum(OperationForm form)
      : Contraction(std::move(form), Operands::kOthers, {"subscripts"}) {
    const json& given = option("subscripts");
    const json& args = this->form().args;
    const bool tensors = std::all_of(args.begin(), args.end(), is_tensor_argument);
    if (!given.is_string() || !tensors || args.empty()) unsupported("what it is called with");
    for (const char c : given.get<std::string>()) {
      if (c != ' ') text_ += c;
    }
    read();
  }

 protected:
  [[nodiscard]] Subscripts subscripts(const Shapes& x) const override {
    Spare spare(text_);
    std::size_t most = 0;
    for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, elided(operands_[i], x[i]));
    const std::string others = spare.take(most);
    Subscripts out;
    for (std::size_t i = 0; i < x.size(); ++i) {
      // Those of fewer axes have the last ones.
      const std::size_t count = elided(operands_[i], x[i]);
      out.operands.push_back(filled_in(operands_[i], others.substr(most - count)));
    }
    out.result = result_ ? filled_in(*result_, others) : others + implied();
    check(out);
    return out;
  }

 private:
  static constexpr std::string_view kEllipsis = "...";

  void read() {
    const std::size_t arrow = text_.find("->");
    std::string inputs = text_.substr(0, arrow);
    if (arrow != std::string::npos) {
      result_ = text_.substr(arrow + 2);
      if (result_->find("->") != std::string::npos) {
        fail("At most one '->' is supported in `einsum` subscripts, but received " + text_ + ".");
      }
      check_text(*result_);
    }
    for (std::size_t begin = 0; begin <= inputs.size();) {
      const std::size_t end = std::min(inputs.find(',', begin), inputs.size());
      operands_.push_back(inputs.substr(begin, end - begin));
      check_text(operands_.back());
      begin = end + 1;
    }
    if (operands_.size() != form().tensors) {
      fail("Number of operands (" + std::to_string(form().tensors) +
           ") does not match the number of input specs (" + std::to_string(operands_.size()) +
           ") in `einsum`, received subscripts=" + text_ + ".");
    }
  }
  void check_text(const std::string& subscript) const {
    const std::string letters = filled_in(subscript, "");
    const bool good = std::all_of(letters.begin(), letters.end(),
                                  [](unsigned char c) { return std::isalpha(c) != 0; });
    if (!good) fail("Invalid `einsum` subscripts: '" + text_ + "'.");
    const std::set<char> once(letters.begin(), letters.end());
    if (once.size() != letters.size()) {
      unsupported("a letter that stands twice in one of the subscripts '" + text_ + "'");
    }
  }
  void check(const Subscripts& found) const {
    for (const char letter : found.result) {
      const bool known =
          std::any_of(found.operands.begin(), found.operands.end(),
                      [letter](const std::string& operand) { return has_letter(operand, letter); });
      if (!known) fail("The output of `einsum` has a letter that no operand has: '" + text_ + "'.");
    }
  }
  [[nodiscard]] static std::string filled_in(std::string subscript, const std::string& letters) {
    const std::size_t at = subscript.find(kEllipsis);
    if (at != std::string::npos) subscript.replace(at, kEllipsis.size(), letters);
    return subscript;
  }
  /// How many axes the ellipsis stands for.
  [[nodiscard]] std::size_t elided(const std::string& subscript, const Shape& x) const {
    const std::size_t letters = filled_in(subscript, "").size();
    const bool open = subscript.find(kEllipsis) != std::string::npos;
    if (letters > x.rank() || (!open && letters != x.rank())) {
      fail(
          "Number of dimensions in the subscript does not match the number of dimensions in the "
          "operand, received subscript `" +
          subscript + "` and operand of shape " + x.str() + ".");
    }
    return x.rank() - letters;
  }
  /// Without an arrow: the letters that stand once, in their order.
  [[nodiscard]] std::string implied() const {
    std::multiset<char> all;
    for (const std::string& operand : operands_) {
      const std::string letters = filled_in(operand, "");
      all.insert(letters.begin(), letters.end());
    }
    std::string out;
    for (const char letter : all) {
      if (all.count(letter) == 1) out += letter;
    }
    return out;
  }

  std::string text_;
  std::vector<std::string> operands_;
  std::optional<std::string> result_;
};

/// Of two tensors, over pairs of their axes.
class Paired : public Contraction {
 public:
  Paired(OperationForm form, std::initializer_list<std::string_view> options)
      : Contraction(std::move(form), Operands::kTwo, options) {
    if (this->form().tensors != 2) unsupported("a number");
  }

 protected:
  using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;
  /// Which axes of the first are summed with which of the second.
  [[nodiscard]] virtual Pairs pairs(const Shape& first, const Shape& second) const = 0;

 private:
  [[nodiscard]] Subscripts subscripts(const Shapes& x) const final {
    Spare spare("");
    Subscripts out{{spare.take(x.at(0).rank()), spare.take(x.at(1).rank())}, {}};
    out.result = out.operands[0] + out.operands[1];
    for (const auto& [first, second] : pairs(x[0], x[1])) {
      if (x[0].dims()[first] == 1 || x[1].dims()[second] == 1) check_one(x, first, second);
      std::erase(out.result, out.operands[0][first]);
      std::erase(out.result, out.operands[1][second]);
      out.operands[1][second] = out.operands[0][first];
    }
    return out;
  }
  /// Nothing is repeated.
  void check_one(const Shapes& x, std::size_t first, std::size_t second) const {
    const std::int64_t a = x[0].dims()[first], b = x[1].dims()[second];
    if (a == b || a == kNone || b == kNone) return;
    fail("Shape mismatch: axes of the sizes " + std::to_string(a) + " and " + std::to_string(b) +
         " cannot be summed over together. Received: " + x[0].str() + " and " + x[1].str() + ".");
  }
};

/// The last axis of the first with the last but one of the second, or its only one.
class Dot final : public Paired {
 public:
  explicit Dot(OperationForm form) : Paired(std::move(form), {}) {}

 protected:
  [[nodiscard]] Pairs pairs(const Shape& first, const Shape& second) const override {
    if (first.rank() == 0 || second.rank() == 0) return {};
    return {{first.rank() - 1, second.rank() > 1 ? second.rank() - 2 : 0}};
  }
};

/// The last axes; where one has none, that is a number.
class Inner final : public Paired {
 public:
  explicit Inner(OperationForm form) : Paired(std::move(form), {}) {}

 protected:
  [[nodiscard]] Pairs pairs(const Shape& first, const Shape& second) const override {
    if (first.rank() == 0 || second.rank() == 0) return {};
    return {{first.rank() - 1, second.rank() - 1}};
  }
};

/// Of all elements in a row.
class Vdot final : public Operation {
 public:
  explicit Vdot(OperationForm form) : Operation(std::move(form), Operands::kTwo, {}) {
    if (this->form().tensors != 2) unsupported("a number");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const bool known = x.at(0).is_known() && x.at(1).is_known();
    if (known && x[0].size() != x[1].size()) {
      fail("vdot of tensors with as many elements. Received: x1.shape=" + x[0].str() +
           ", x2.shape=" + x[1].str());
    }
    return {};
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted(x.at(0), x.at(1));
    if (!is_floating(dtype)) unsupported("a product of integers");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    const auto row = [&](ValueId id) {
      return Lettered{builder.reshape(builder.cast(id, to.dtype), {builder.shape(id).size()}), "a"};
    };
    return builder.reshape(contracted(builder, row(x[0]), row(x[1]), "").value, to.shape);
  }
};

class Tensordot final : public Paired {
 public:
  explicit Tensordot(OperationForm form) : Paired(std::move(form), {"axes"}) {
    const json& axes = option("axes");
    if (axes.is_null() || axes.is_number_integer()) {
      count_ = integer("axes", 2);
      return;
    }
    const bool two = axes.is_array() && axes.size() == 2;
    if (!two) unsupported("option 'axes'");
    for (std::size_t i = 0; i < 2; ++i) {
      for (const json& axis : axes[i].is_array() ? axes[i] : json::array({axes[i]})) {
        if (!axis.is_number_integer()) unsupported("option 'axes'");
        listed_[i].push_back(axis.get<std::int64_t>());
      }
    }
    if (listed_[0].size() != listed_[1].size()) {
      fail("Shape mismatch on `x1[axes[0]]` and `x2[axes[1]]`, received " + axes.dump() + ".");
    }
  }

 protected:
  [[nodiscard]] Pairs pairs(const Shape& first, const Shape& second) const override {
    Pairs out;
    if (!count_) {
      (void)axis_indices(listed_[0], first.rank());  // none twice
      (void)axis_indices(listed_[1], second.rank());
      for (std::size_t i = 0; i < listed_[0].size(); ++i) {
        out.emplace_back(axis_index(listed_[0][i], first.rank()),
                         axis_index(listed_[1][i], second.rank()));
      }
      return out;
    }
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(*count_, 0));
    if (count > std::min(first.rank(), second.rank())) {
      fail("`axes` is " + std::to_string(count) + ", and the shapes are " + first.str() + " and " +
           second.str() + ".");
    }
    for (std::size_t i = 0; i < count; ++i) out.emplace_back(first.rank() - count + i, i);
    return out;
  }

 private:
  std::optional<std::int64_t> count_;
  std::array<std::vector<std::int64_t>, 2> listed_;
};

}  // namespace

OperationRows contraction_operations() {
  return {operation_row<Einsum>("Einsum", kNumpyOps), operation_row<Dot>("Dot", kNumpyOps),
          operation_row<Inner>("Inner", kNumpyOps), operation_row<Vdot>("Vdot", kNumpyOps),
          operation_row<Tensordot>("Tensordot", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using nlohmann::json;

SymbolicTensor einsum(const std::string& subscripts, const SymbolicTensors& operands) {
  json args = json::array();
  for (std::size_t i = 0; i < operands.size(); ++i) args.push_back(layers::tensor_argument(i));
  return layers::call_operation("Einsum", operands, {{"subscripts", subscripts}}, std::move(args));
}
SymbolicTensor dot(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return layers::call_on_operands("Dot", {x1, x2});
}
SymbolicTensor inner(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return layers::call_on_operands("Inner", {x1, x2});
}
SymbolicTensor vdot(const SymbolicTensor& x1, const SymbolicTensor& x2) {
  return layers::call_on_operands("Vdot", {x1, x2});
}

namespace {

SymbolicTensor tensordot_over(const SymbolicTensor& x1, const SymbolicTensor& x2, json axes) {
  return layers::call_operation(
      "Tensordot", {x1, x2}, {{"axes", std::move(axes)}},
      json::array({layers::tensor_argument(0), layers::tensor_argument(1)}));
}

}  // namespace

SymbolicTensor tensordot(const SymbolicTensor& x1, const SymbolicTensor& x2, std::int64_t axes) {
  return tensordot_over(x1, x2, axes);
}
SymbolicTensor tensordot(const SymbolicTensor& x1, const SymbolicTensor& x2,
                         const layers::Axes& axes1, const layers::Axes& axes2) {
  return tensordot_over(x1, x2, json::array({axes1.values, axes2.values}));
}

}  // namespace lamina::ops
