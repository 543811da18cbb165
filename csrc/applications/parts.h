#pragma once
#include <lamina/applications.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "applications/trained_weights.h"

/// What the applications have in common.
namespace lamina::applications {

/// Heights and widths.
struct ImageSize {
  std::int64_t own, smallest;
};

/// The shape of an image, as Keras's `obtain_input_shape` has it. Throws ValueError, in Keras's
/// words, for one of other than three dimensions, one too small, and one of any size where there
/// is a top.
[[nodiscard]] Shape image_shape(const Options& options, ImageSize size);

/// Throws ValueError for an option that is set and that `function` does not have: it has those that
/// all have and these ("alpha"); and what `check_weights` throws.
void takes_only(const Options& options, std::string_view function,
                std::initializer_list<std::string_view> own = {});

/// What a model without a top ends with, by `options.pooling`: a pooling layer of one of these
/// names (empty: Keras's automatic one) or nothing.
[[nodiscard]] SymbolicTensor pooled(const SymbolicTensor& x, const Options& options,
                                    const std::string& average_name = {},
                                    const std::string& max_name = {});

/// The classifier that most models have, a dense layer named "predictions".
[[nodiscard]] SymbolicTensor predictions(const SymbolicTensor& x, const Options& options);

/// What many models end with: with a top the mean of each channel, "avg_pool", and the classifier;
/// without one as `pooled`.
[[nodiscard]] SymbolicTensor classified(const SymbolicTensor& x, const Options& options,
                                        const std::string& average_name = {},
                                        const std::string& max_name = {});

/// Zeros before and after the rows and the columns of `x`, with which a kernel of `size` at stride
/// 2 and without padding gives what Keras's `correct_pad` makes it give. Throws ValueError where
/// the columns alone are unknown.
[[nodiscard]] layers::Padding2D correct_pad(const SymbolicTensor& x, std::int64_t size);

/// A number of filters without its fraction. Throws ValueError for one that is no number, or beyond
/// any sense.
[[nodiscard]] std::int64_t whole(double filters);

/// A number of filters as a multiple of eight, at least eight and at least nine tenths of
/// `filters`.
[[nodiscard]] std::int64_t divisible_by_eight(double filters);

/// What Keras calls a MobileNet and a MobileNetV2, "mobilenet_0.50_224": by the multiplier of the
/// filters and the image's rows.
[[nodiscard]] std::string name_with_alpha(std::string_view prefix, double alpha, std::int64_t rows);

/// Of the sizes of images for which there are trained weights, the one for square images of
/// `batch_shape` (batch, height, width, channels); else 224, with Keras's warning.
[[nodiscard]] std::int64_t trained_rows(const Shape& batch_shape,
                                        std::span<const std::int64_t> sizes);

/// A model's own size where images of several sizes have trained weights: theirs, or 224.
[[nodiscard]] std::int64_t trained_size(const Options& options,
                                        std::span<const std::int64_t> sizes);

/// The model from `input` to `output`, named as the options say or else `name`, with the weights
/// that they say. Throws what loading those throws.
[[nodiscard]] std::shared_ptr<Functional> finish(const SymbolicTensor& input,
                                                 const SymbolicTensor& output,
                                                 const Options& options, std::string_view name,
                                                 const Published& published);

}  // namespace lamina::applications
