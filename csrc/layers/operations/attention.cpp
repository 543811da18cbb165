// Attention by heads of what has been projected.
#include <cmath>

#include "layers/attention_mask.h"
#include "layers/grouped_heads.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;

class DotProductAttention final : public Operation {
 public:
  explicit DotProductAttention(OperationForm form)
      : Operation(with_keywords(std::move(form), {"bias", "mask", "scale"}), Operands::kOthers,
                  {"is_causal", "flash_attention", "bias", "mask", "scale"}) {
    (void)flag("flash_attention");  // how Keras computes it
    reach_.causal = flag("is_causal");
    const json &args = this->form().args, &scale = keyword("scale");
    bool good = args.size() == 3 && (scale.is_null() || scale.is_number());
    for (const json& argument : args) good = good && is_tensor_argument(argument);
    if (!good) unsupported("what it is called with");
    if (scale.is_number()) scale_ = scale.get<double>();
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    check(x);
    return x[0];
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    const DType dtype = promoted(promoted(x.at(0), x.at(1)), x.at(2));
    if (!is_floating(dtype)) unsupported("a tensor of integers");
    return dtype;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const DType dtype = result(builder, x).dtype, wide = promoted(dtype, DType::kFloat32);
    const auto heads_first = [&](std::size_t i) {
      return builder.transpose(builder.cast(x[i], dtype), {0, 2, 1, 3});
    };
    const double size = static_cast<double>(builder.shape(x[0])[3]);
    ValueId scores = grouped_scores(builder, heads_first(0), heads_first(1),
                                    scale_.value_or(1 / std::sqrt(size)), wide);
    if (const std::optional<ValueId> bias = given(keyword("bias"), x)) {
      const ValueId rounded = builder.cast(of_scores(builder, *bias), dtype);
      scores = builder.binary(ops::Binary::kAdd, scores, builder.cast(rounded, wide));
    }
    Ids masks;
    if (const std::optional<ValueId> mask = given(keyword("mask"), x)) {
      masks.push_back(of_scores(builder, *mask));
    }
    scores = masked_scores(builder, scores, reach_, masks, {.replaces = true}).scores;
    const ops::TensorSpec spec = builder.spec(scores);
    const ValueId weights = builder.emit(ops::Softmax{spec, spec, {3}, false}, {scores});
    return grouped_values(builder, builder.cast(weights, dtype), heads_first(2), dtype);
  }

 private:
  [[nodiscard]] const json& keyword(const char* name) const { return form().keywords.at(name); }

  void check(const Shapes& x) const {
    const Shape &query = x.at(0), &key = x.at(1), &value = x.at(2);
    if (query.rank() != 4 || key.rank() != 4 || value.rank() != 4) {
      fail("`dot_product_attention` only supports 4D inputs. Received: query.shape=" + query.str() +
           ", key.shape=" + key.str() + ", value.shape=" + value.str() + ".");
    }
    const auto apart = [](std::int64_t a, std::int64_t b) {
      return a != kNone && b != kNone && a != b;
    };
    bool alike = !apart(query[0], key[0]) && !apart(query[3], key[3]);
    for (std::int64_t i = 0; i < 4; ++i) alike = alike && !apart(key[i], value[i]);
    if (!alike) {
      fail(
          "The key and the value are alike, and of the query's batch and size of a head. "
          "Received: query.shape=" +
          query.str() + ", key.shape=" + key.str() + ", value.shape=" + value.str() + ".");
    }
    const std::int64_t heads = query[2], groups = key[2];
    if (heads != kNone && groups != kNone && (groups == 0 || heads % groups != 0)) {
      fail("The number of query heads must be a multiple of key/value heads, but got " +
           std::to_string(heads) + " vs " + std::to_string(groups));
    }
    const Shape scores{query[0], heads, query[1], key[1]};
    for (const char* name : {"bias", "mask"}) {
      if (const std::optional<Shape> found = given(keyword(name), x)) {
        require_fit(name, *found, scores);
      }
    }
  }
  void require_fit(const char* name, const Shape& found, const Shape& scores) const {
    // Of three axes the first is the heads'; one of unknown size would be the batch's, and be taken
    // for heads where it happens to be as long.
    bool fits = found.rank() <= 4 && !(found.rank() == 3 && found[0] == kNone);
    for (std::size_t i = 1; fits && i <= found.rank(); ++i) {
      const std::int64_t size = found.dims()[found.rank() - i], whole = scores.dims()[4 - i];
      fits = size == 1 || size == whole || size == kNone || whole == kNone;
    }
    if (fits) return;
    fail("Expected `" + std::string(name) +
         "` to have a shape that broadcasts to (batch, heads, targets, sources) = " + scores.str() +
         " but got " + found.str() + ".");
  }
  /// With axes of size 1 in front, up to four.
  [[nodiscard]] static ValueId of_scores(Builder& builder, ValueId x) {
    std::vector<std::int64_t> dims = builder.shape(x).dims();
    dims.insert(dims.begin(), 4 - dims.size(), 1);
    return builder.reshape(x, Shape(std::move(dims)));
  }

  Reach reach_;
  std::optional<double> scale_;
};

}  // namespace

OperationRows attention_operations() {
  return {operation_row<DotProductAttention>("DotProductAttention", kNeuralOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

SymbolicTensor dot_product_attention(const SymbolicTensor& query, const SymbolicTensor& key,
                                     const SymbolicTensor& value, const SymbolicTensor& bias,
                                     const SymbolicTensor& mask, std::optional<double> scale,
                                     bool is_causal) {
  using nlohmann::json;
  SymbolicTensors tensors{query, key, value};
  json keywords = {{"bias", layers::optional_argument(tensors, bias)}};
  keywords["mask"] = layers::optional_argument(tensors, mask);
  keywords["scale"] = scale ? json(*scale) : json();
  return layers::call_operation(
      "DotProductAttention", tensors,
      {{"is_causal", is_causal}, {"flash_attention", nullptr}, {"attn_logits_soft_cap", nullptr}},
      json::array(
          {layers::tensor_argument(0), layers::tensor_argument(1), layers::tensor_argument(2)}),
      std::move(keywords));
}

}  // namespace lamina::ops
