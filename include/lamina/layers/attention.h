#pragma once
#include <lamina/axes.h>
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/regularizers.h>

#include <cstdint>
#include <optional>
#include <string>

namespace lamina::layers {

/// Attention of `num_heads` heads (Vaswani et al. 2017, "Attention Is All You Need"). Applied to
/// {query, value} or {query, value, key}; without a key the value is the key too:
///
///     auto y = layers::MultiHeadAttention({.num_heads = 4, .key_dim = 16})({x, x});
///
/// query (batch, targets, features), value and key (batch, sources, features of their own) ->
/// (batch, targets, query's features), or (batch, targets, output_shape...). For each head
///
///     softmax(query_dense(query) key_dense(key)^T / sqrt(key_dim)) value_dense(value)
///
/// and `output_dense` of all heads together. The softmax is computed in float32 at least, whatever
/// the policy, as Keras's. Of more axes between batch and features, as many in each input, all are
/// attended to together, which is what Keras's `attention_axes` is by default; other axes throw
/// UnsupportedError when the layer is built.
///
/// Masks say which sources (batch, targets, sources) a target attends to; all that there are hold
/// together, and of a target that they leave nothing all sources are alike (with `dropout` it gets
/// nothing, as in Keras). A call may be given by name, each floating, integer or bool, and 0 or
/// false for what is masked:
///
///     attention({x, y}, {{"attention_mask", mask}, {"use_causal_mask", true}})
///
/// `attention_mask` (batch, targets, sources), (batch, heads or 1, targets, sources) or what
/// broadcasts to these; `value_mask` and `key_mask` (batch, sources), which else are the masks that
/// these inputs carry (see Layer::supports_masking). The query's is what the query carries,
/// whatever `query_mask` is given: so Keras has it. Its inputs carry no mask any longer to what is
/// lowered behind the call, as those of Keras do not where a model runs; its output carries the
/// query's. `use_causal_mask`: a target attends to the sources up to its own place. It is an
/// argument of a call, as in Keras, or as an option of the layer one of all its calls.
/// `sliding_window`: to those less than so many places away alone. All of these are for inputs of
/// three axes; where the window leaves a target without any source, UnsupportedError is thrown when
/// the layer is lowered. There is no flash attention, and scores are not returned.
///
/// Sublayers, as Keras has them: query_dense, key_dense, value_dense, output_dense (and with
/// `use_gate` one that gates what the heads give by the query), each an EinsumDense with a kernel
/// (features, num_heads, key_dim or value_dim) and, with `use_bias`, a bias (num_heads, ...); of
/// output_dense (num_heads, value_dim, features...) and (features...). Regularizers and constraints
/// are of each of these, the `activity_regularizer` too. `dropout` drops what the softmax gives.
struct MultiHeadAttentionOptions {
  std::int64_t num_heads = 0;
  std::int64_t key_dim = 0;
  std::optional<std::int64_t> value_dim = {};  ///< by default key_dim
  double dropout = 0;
  bool use_bias = true;
  OptionalShape output_shape = {};  ///< without batch and targets
  Axes attention_axes = {};
  std::optional<std::int64_t> sliding_window = {};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  bool use_gate = false;
  bool use_causal_mask = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef MultiHeadAttention(MultiHeadAttentionOptions options);

}  // namespace lamina::layers
