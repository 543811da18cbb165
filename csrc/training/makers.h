#pragma once
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "training/spec.h"

// Tables of what can be made of names and options.
namespace lamina::training {

/// What can be made of a name and options.
template <class Result>
struct Maker {
  std::string_view name;
  std::array<std::string_view, 3> aliases;  // empty: none
  Result (*make)(Spec& spec);
};

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
template <class Result, std::size_t kCount>
const Maker<Result>& find(const Maker<Result> (&makers)[kCount], const char* what,
                          std::string_view name) {
  std::vector<std::string_view> known;
  for (const Maker<Result>& maker : makers) {
    if (is_named(maker, name)) return maker;
    known.push_back(maker.name);
  }
  throw ValueError(
      fmt::format("There is no {} '{}'; there are {}", what, name, fmt::join(known, ", ")));
}

template <class Result, std::size_t kCount>
Result make(const Maker<Result> (&makers)[kCount], const char* what, std::string_view text) {
  Spec spec(text, what);
  return find(makers, what, spec.name()).make(spec);
}

/// With the options that are its own.
template <class Result, std::size_t kCount>
Result plain(const Maker<Result> (&makers)[kCount], const char* what, std::string_view name) {
  Spec no_options("", what);
  return find(makers, what, name).make(no_options);
}

}  // namespace lamina::training
