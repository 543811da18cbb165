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
/// the layer is lowered. There is no flash attention.
///
/// A call may ask for its scores, which then are a second output:
///
///     SymbolicTensors both = attention->apply({x, y}, {{"return_attention_scores", true}});
///
/// (batch, num_heads, targets, sources), or as many axes of targets and of sources as the inputs
/// have, of the policy's compute dtype: what the softmax gives, before `dropout`. Of such a call,
/// too, a target that masks leave nothing gets nothing. Scores carry no mask.
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

/// Attention of `num_query_heads` heads that share `num_key_value_heads` keys and values, as many
/// heads each (Ainslie et al. 2023, "GQA"); with one it is multi-query attention. Applied to
/// {query, value} or {query, value, key}:
///
///     auto y = layers::GroupQueryAttention(
///         {.head_dim = 16, .num_query_heads = 8, .num_key_value_heads = 2})({x, x});
///
/// query (batch, targets, features), value (batch, sources, features) and key (batch, sources,
/// features of its own) -> as query. All that MultiHeadAttention's comment says of softmax, masks,
/// `sliding_window` and scores (batch, num_query_heads, targets, sources) holds, with two
/// differences, which are Keras's: `query_mask` is an argument like the others, and inputs keep the
/// masks that they carry. Throws ValueError for heads that do not divide.
///
/// Sublayers, each an EinsumDense: query, with a kernel (features, num_query_heads, head_dim); key
/// and value (features, num_key_value_heads, head_dim); with `use_gate` gate, as query; and
/// attention_output (num_query_heads, head_dim, features). Regularizers and constraints are of each
/// of these, the `activity_regularizer` too, which is of the output and of returned scores besides.
struct GroupQueryAttentionOptions {
  std::int64_t head_dim = 0;
  std::int64_t num_query_heads = 0;
  std::int64_t num_key_value_heads = 0;
  double dropout = 0;
  bool use_bias = true;
  std::optional<std::int64_t> sliding_window = {};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer = {};
  Regularizer bias_regularizer = {};
  Regularizer activity_regularizer = {};
  Constraint kernel_constraint = {};
  Constraint bias_constraint = {};
  bool use_gate = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GroupQueryAttention(GroupQueryAttentionOptions options);

/// Attention without heads and projections (Luong et al. 2015), applied to {query, value} or
/// {query, value, key}; without a key the value is the key too. query (batch, targets, features),
/// value (batch, sources, width), key (batch, sources, features) -> (batch, targets, width):
///
///     softmax(scores) value
///
/// With `score_mode` "dot" a score is query key^T [* scale]; with "concat" it is
/// concat_score_weight * sum over features of tanh([scale *] (query + key)). The softmax is
/// computed in float32 at least. `dropout` drops what it gives. Variables: scale (with
/// `use_scale`), concat_score_weight (with "concat"), one number each.
///
/// Masks are those that query and value carry, or what the call is given by name instead, each
/// floating, integer or bool: `query_mask` (batch, targets), where the output is then 0, and
/// `value_mask` (batch, sources), which says what is attended to; in Keras they are one list, the
/// argument `mask`. `use_causal_mask`: a target attends to the sources up to its own place. The
/// output carries the query's mask. Inputs of other than three axes throw UnsupportedError.
///
/// With `return_attention_scores` a call of `apply` has a second output, the scores (batch,
/// targets, sources) of the policy's compute dtype, as they weigh the value: behind softmax and
/// `dropout`, where layers with heads return what there is before dropout. Those of targets that
/// `query_mask` leaves out are there, too; they carry no mask.
struct AttentionOptions {
  bool use_scale = false;
  std::string score_mode = "dot";
  double dropout = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Attention(AttentionOptions options = {});

/// The same with other scores (Bahdanau et al. 2014): the sum over features of scale * tanh(query +
/// key). Variables: scale (features), with `use_scale`.
struct AdditiveAttentionOptions {
  bool use_scale = true;
  double dropout = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdditiveAttention(AdditiveAttentionOptions options = {});

}  // namespace lamina::layers
