#pragma once
#include <lamina/applications.h>

#include <initializer_list>
#include <string>
#include <string_view>

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
/// all have and these ("alpha").
void takes_only(const Options& options, std::string_view function,
                std::initializer_list<std::string_view> own = {});

/// What a model without a top ends with, by `options.pooling`: a pooling layer of one of these
/// names (empty: Keras's automatic one) or nothing.
[[nodiscard]] SymbolicTensor pooled(const SymbolicTensor& x, const Options& options,
                                    const std::string& average_name = {},
                                    const std::string& max_name = {});

/// What many models end with: with a top the mean of each channel, "avg_pool", and the classifier;
/// without one as `pooled`.
[[nodiscard]] SymbolicTensor classified(const SymbolicTensor& x, const Options& options,
                                        const std::string& average_name = {},
                                        const std::string& max_name = {});

/// Zeros before and after the rows and the columns of `x`, with which a kernel of `size` at stride
/// 2 and without padding gives what Keras's `correct_pad` makes it give.
[[nodiscard]] layers::Padding2D correct_pad(const SymbolicTensor& x, std::int64_t size);

/// The model from `input` to `output`, named as the options say or else `name`.
[[nodiscard]] std::shared_ptr<Functional> finish(const SymbolicTensor& input,
                                                 const SymbolicTensor& output,
                                                 const Options& options, std::string_view name);

}  // namespace lamina::applications
