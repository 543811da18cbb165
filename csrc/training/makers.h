#pragma once
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>
#include <lamina/metrics.h>
#include <lamina/optimizers.h>
#include <lamina/schedules.h>

#include <algorithm>
#include <any>
#include <array>
#include <cctype>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "training/fields.h"
#include "training/spec.h"

// Tables of what can be made of names and options.
namespace lamina::training {

/// What can be made of a name and options.
template <class Result>
struct Maker {
  std::string_view name;
  std::array<std::string_view, 3> aliases;  // empty: none
  Result (*make)(Fields& fields);           ///< out of the options that `fields` say
  /// Says to `fields` the options that something was made of. Throws UnsupportedError for those of
  /// another class.
  void (*tell)(Fields& fields, const std::any& options);
};

[[nodiscard]] std::span<const Maker<OptimizerPtr>> optimizer_makers();
[[nodiscard]] std::span<const Maker<LossPtr>> loss_makers();
[[nodiscard]] std::span<const Maker<SchedulePtr>> schedule_makers();
/// But for the means of losses.
[[nodiscard]] std::span<const Maker<MetricPtr>> metric_makers();

template <class Options>
using Take = void (*)(Fields& fields, Options& options);

template <class Options, Take<Options> kTake, auto kMake>
auto made(Fields& fields) {
  Options options;
  kTake(fields, options);
  fields.finish();
  return kMake(std::move(options));
}

template <class Options, Take<Options> kTake>
void told(Fields& fields, const std::any& options) {
  const auto* const given = std::any_cast<Options>(&options);
  if (given == nullptr) {
    throw UnsupportedError(
        fmt::format("the options of the class '{}' are not those it is made of", fields.name()));
  }
  Options copy = *given;
  kTake(fields, copy);
}

/// The row of a class: `kTake` says what its options are, once for words and for configurations.
template <class Options, Take<Options> kTake, auto kMake>
constexpr auto maker(std::string_view name, std::array<std::string_view, 3> aliases) {
  using Result = decltype(kMake(std::declval<Options>()));
  return Maker<Result>{name, aliases, made<Options, kTake, kMake>, told<Options, kTake>};
}

inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// Keras takes optimizers in any case, all else as it is written.
inline bool is_named(const Maker<OptimizerPtr>& maker, std::string_view name) {
  return equal_ignoring_case(maker.name, name);
}
template <class Result>
bool is_named(const Maker<Result>& maker, std::string_view name) {
  return !name.empty() &&
         (maker.name == name ||
          std::find(maker.aliases.begin(), maker.aliases.end(), name) != maker.aliases.end());
}

/// The maker of that name. Throws ValueError when there is none.
template <class Result>
const Maker<Result>& find(std::span<const Maker<Result>> makers, const char* what,
                          std::string_view name) {
  std::vector<std::string_view> known;
  for (const Maker<Result>& maker : makers) {
    if (is_named(maker, name)) return maker;
    known.push_back(maker.name);
  }
  throw ValueError(
      fmt::format("There is no {} '{}'; there are {}", what, name, fmt::join(known, ", ")));
}

template <class Result>
Result make(std::span<const Maker<Result>> makers, const char* what, std::string_view text) {
  Spec spec(text, what);
  return find(makers, what, spec.name()).make(spec);
}

/// With the options that are its own.
template <class Result>
Result plain(std::span<const Maker<Result>> makers, const char* what, std::string_view name) {
  Spec no_options("", what);
  return find(makers, what, name).make(no_options);
}

}  // namespace lamina::training
