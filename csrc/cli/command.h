#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>

namespace lamina::cli {

/// What a run of the command ends with; `diff` and `verify` set kDifferent, an error kFailed.
enum ExitStatus : int { kSuccess = 0, kDifferent = 1, kFailed = 2 };

/// What is said of --max-shard-size.
inline constexpr const char* kShardSizeHelp =
    "write shards of at most so many GB of 1024^3 bytes, as Keras counts them";

/// What is said of --no-overwrite.
inline constexpr const char* kNoOverwriteHelp =
    "ask before replacing a file; without a terminal an error";

/// What is said of --no-seal.
inline constexpr const char* kNoSealHelp = "write no checksums: only what Keras writes";

/// Holds an option to numbers above 0.
[[nodiscard]] CLI::Validator positive();

/// Holds an option to whole numbers of these, in decimal; for `transform`, behind the default.
[[nodiscard]] CLI::Validator whole_number(
    std::uint64_t least,
    std::uint64_t greatest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));

// One function a subcommand, one file each: declares the options, and what is run after parsing.
// `status` outlives the run.
void add_summary(CLI::App& app);
void add_init(CLI::App& app);
void add_predict(CLI::App& app);
void add_train(CLI::App& app);
void add_inspect(CLI::App& app);
void add_diff(CLI::App& app, ExitStatus& status);
void add_reshard(CLI::App& app);
void add_verify(CLI::App& app, ExitStatus& status);
void add_recover(CLI::App& app, ExitStatus& status);
void add_devices(CLI::App& app);

/// Parses the arguments and runs what they ask for. Errors are written to standard error on one
/// line.
[[nodiscard]] int run(int argc, const char* const* argv);

}  // namespace lamina::cli
