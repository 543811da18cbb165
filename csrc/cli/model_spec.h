#pragma once
#include <lamina/applications.h>
#include <lamina/model.h>

#include <cstdint>
#include <optional>
#include <string>

namespace lamina::cli {

/// What MODEL means on the command line, for the help of every subcommand.
inline constexpr const char* kModelHelp =
    "an application with options, as EfficientNetV2B0:classes=10,include_top=false, or a Keras "
    ".json, .keras or .h5 file";

/// The options after the colon of "EfficientNetV2B0:classes=10,include_top=false"; an empty text
/// gives the defaults. Throws ValueError for an unknown option, listing those there are, and for a
/// value that does not fit its option.
[[nodiscard]] applications::Options parse_application_options(const std::string& text);

/// True when `spec` is a file that holds weights beside the model, or an application with
/// `weights`.
[[nodiscard]] bool carries_weights(const std::string& spec);

/// Whether a model is compiled as its file says.
enum class Compiled : bool { kNot, kAsSaved };

/// The model that `spec` names. Throws ValueError for a name that is neither an application nor a
/// .json, .keras or .h5 path, and what reading the file throws.
[[nodiscard]] ModelPtr make_model(const std::string& spec, Compiled compiled = Compiled::kNot);

/// The same with fresh weights, of this seed where there is one, and an optimizer that begins,
/// whatever a file holds of both. Throws ValueError for an application with `weights`.
[[nodiscard]] ModelPtr make_fresh_model(const std::string& spec, Compiled compiled,
                                        std::optional<std::uint64_t> seed = {});

}  // namespace lamina::cli
