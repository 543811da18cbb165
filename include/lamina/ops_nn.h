#pragma once
#include <lamina/axes.h>
#include <lamina/layer.h>

#include <cstdint>
#include <optional>
#include <string>

/// Keras's operations of neural networks (keras.ops.nn), a part of <lamina/ops.h>: what that says
/// holds here. A tensor that has a default may be undefined, which is Keras's None.
namespace lamina::ops {

// Elementwise, of floating tensors.
SymbolicTensor relu(const SymbolicTensor& x);
SymbolicTensor relu6(const SymbolicTensor& x);
SymbolicTensor leaky_relu(const SymbolicTensor& x, double negative_slope = 0.2);
SymbolicTensor elu(const SymbolicTensor& x, double alpha = 1);
SymbolicTensor selu(const SymbolicTensor& x);
SymbolicTensor gelu(const SymbolicTensor& x, bool approximate = true);
SymbolicTensor sigmoid(const SymbolicTensor& x);
SymbolicTensor log_sigmoid(const SymbolicTensor& x);
SymbolicTensor hard_sigmoid(const SymbolicTensor& x);
SymbolicTensor silu(const SymbolicTensor& x);
SymbolicTensor swish(const SymbolicTensor& x);
SymbolicTensor hard_silu(const SymbolicTensor& x);
SymbolicTensor hard_swish(const SymbolicTensor& x);
SymbolicTensor celu(const SymbolicTensor& x, double alpha = 1);
SymbolicTensor hard_tanh(const SymbolicTensor& x);
SymbolicTensor tanh_shrink(const SymbolicTensor& x);
SymbolicTensor hard_shrink(const SymbolicTensor& x, double threshold = 0.5);
SymbolicTensor soft_shrink(const SymbolicTensor& x, double threshold = 0.5);
SymbolicTensor squareplus(const SymbolicTensor& x, double b = 4);
SymbolicTensor threshold(const SymbolicTensor& x, double threshold, double default_value);
/// The axis has half the size: its first half times the sigmoid of the second.
SymbolicTensor glu(const SymbolicTensor& x, std::int64_t axis = -1);
SymbolicTensor softplus(const SymbolicTensor& x);
SymbolicTensor softsign(const SymbolicTensor& x);
/// Over one axis, or over several jointly.
SymbolicTensor softmax(const SymbolicTensor& x, const layers::Axes& axis = -1);
SymbolicTensor log_softmax(const SymbolicTensor& x, const layers::Axes& axis = -1);

/// Of integers: a new axis, the last one or before `axis`, with 1 where the integer says, else 0.
SymbolicTensor one_hot(const SymbolicTensor& x, std::int64_t num_classes, std::int64_t axis = -1,
                       std::optional<DType> dtype = {});

// What normalizes floating tensors.
/// x / max(norm of `order`, epsilon), floating. No epsilon: 1e-7.
SymbolicTensor normalize(const SymbolicTensor& x, const layers::Axes& axis = -1,
                         std::int64_t order = 2, std::optional<double> epsilon = {});
/// (x - mean) / sqrt(variance + epsilon) * gamma + beta by the mean and the variance of the axes,
/// halves as float32. No epsilon: 1e-7. gamma and beta have the sizes of the axes, in order, or
/// broadcast to x.
SymbolicTensor layer_normalization(const SymbolicTensor& x, const SymbolicTensor& gamma = {},
                                   const SymbolicTensor& beta = {}, const layers::Axes& axis = -1,
                                   std::optional<double> epsilon = {});
/// x / sqrt(mean(x^2) + epsilon) * scale, which broadcasts to x, likewise.
SymbolicTensor rms_normalization(const SymbolicTensor& x, const SymbolicTensor& scale = {},
                                 const layers::Axes& axis = -1, std::optional<double> epsilon = {});
/// (x - mean) / sqrt(variance + epsilon) * scale + offset, each a vector along the axis. Keras
/// takes an offset only together with a scale.
SymbolicTensor batch_normalization(const SymbolicTensor& x, const SymbolicTensor& mean,
                                   const SymbolicTensor& variance, std::int64_t axis,
                                   const SymbolicTensor& offset = {},
                                   const SymbolicTensor& scale = {}, double epsilon = 1e-3);

/// softmax(scale query key^T + bias) value: query (batch, targets, heads, size), key and value
/// (batch, sources, groups, size), floating, where `groups` divides the number of heads, and so
/// many heads have a key and a value together. `bias` and `mask`, which is true (not 0) where a
/// target attends to a source, broadcast to (batch, heads, targets, sources) but for their heads,
/// which are all or 1; of three axes the first is the heads', and never the batch's. Where
/// everything is masked all sources count alike. No scale: 1 / sqrt(size). `is_causal`: no target
/// attends to a source behind its own place.
SymbolicTensor dot_product_attention(const SymbolicTensor& query, const SymbolicTensor& key,
                                     const SymbolicTensor& value, const SymbolicTensor& bias = {},
                                     const SymbolicTensor& mask = {},
                                     std::optional<double> scale = {}, bool is_causal = false);

// Of any dtype: channels as blocks of so many rows and columns, and back. block_size: from 2 on.
/// (batch, rows, cols, channels) -> (batch, rows b, cols b, channels / b^2)
SymbolicTensor depth_to_space(const SymbolicTensor& x, std::int64_t block_size,
                              const std::string& data_format = "channels_last");
/// (batch, rows, cols, channels) -> (batch, rows / b, cols / b, channels b^2)
SymbolicTensor space_to_depth(const SymbolicTensor& x, std::int64_t block_size,
                              const std::string& data_format = "channels_last");

}  // namespace lamina::ops
