#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/compare.h"
#include "cli/stored_weights.h"
#include "cli/text.h"
#include "core/terminal_progress.h"

namespace lamina::cli {
namespace {

/// A variable and the group that it is in.
struct Place {
  const StoredGroup* group;
  const StoredVariable* variable;
};

using Key = std::pair<std::string, std::string>;
using Places = std::map<Key, Place>;

template <class F>
void for_each_variable(const StoredWeights& weights, F&& f) {
  for (const StoredGroup& group : weights.groups()) {
    for (const StoredVariable& variable : group.variables) {
      f(Place{&group, &variable}, Key{group.path, variable.key});
    }
  }
}

Places places_of(const StoredWeights& weights) {
  Places places;
  for_each_variable(weights,
                    [&](const Place& place, const Key& key) { places.emplace(key, place); });
  return places;
}

std::string signature(const StoredVariable& variable) {
  return variable.type_name() + " " + variable.dataset.shape.str();
}

class Comparison {
 public:
  Comparison(const std::string& path_a, const std::string& path_b)
      : path_a_(path_a), path_b_(path_b), a_(path_a), b_(path_b) {
    a_.require_sound();
    b_.require_sound();
  }

  /// Finds every difference, in the order of A, then what only B has. True when there is none.
  bool run() {
    core::TerminalProgress bar("compare", a_.nbytes(), core::TerminalProgress::Style::kBytes);
    std::uint64_t done = 0;
    const Places in_a = places_of(a_), in_b = places_of(b_);
    for_each_variable(a_, [&](const Place& place, const Key& key) {
      const auto other = in_b.find(key);
      if (other == in_b.end()) {
        report_lone(place, path_a_);
      } else {
        compare(place, other->second);
      }
      bar.update(done += place.variable->dataset.nbytes);
    });
    for_each_variable(b_, [&](const Place& place, const Key& key) {
      if (!in_a.contains(key)) report_lone(place, path_b_);
    });
    return differences_ == 0;
  }

  /// A line for each difference, then one that counts.
  [[nodiscard]] std::string report() const {
    const std::string verdict =
        differences_ == 0 ? "equal" : fmt::format("{} differ", differences_);
    return lines_ + fmt::format("{} variable{} of {} and {}: {}\n", compared_,
                                compared_ == 1 ? "" : "s", path_a_, path_b_, verdict);
  }

 private:
  void compare(const Place& a, const Place& b) {
    ++compared_;
    if (signature(*a.variable) != signature(*b.variable)) {
      add(a, signature(*a.variable) + " and " + signature(*b.variable));
    } else if (const auto difference = describe_difference(a_.read(*a.group, *a.variable),
                                                           b_.read(*b.group, *b.variable))) {
      add(a, *difference);
    }
  }

  void report_lone(const Place& place, const std::string& file) {
    ++compared_;
    add(place, signature(*place.variable) + " only in " + file);
  }

  void add(const Place& place, const std::string& what) {
    ++differences_;
    lines_ += printable(place.group->path + "/" + place.variable->key) + ": " + what + '\n';
  }

  std::string path_a_, path_b_, lines_;
  StoredWeights a_, b_;
  std::size_t compared_ = 0, differences_ = 0;
};

}  // namespace

void add_diff(CLI::App& app, ExitStatus& status) {
  CLI::App* command = app.add_subcommand(
      "diff",
      "Compare the variables of two weights files to the bit; exit status 1 when they differ");
  const auto a = std::make_shared<std::string>(), b = std::make_shared<std::string>();
  command->add_option("A", *a, "a .weights.h5, .weights.json or .keras file")->required();
  command->add_option("B", *b, "another")->required();
  command->callback([a, b, &status] {
    Comparison comparison(*a, *b);
    status = comparison.run() ? kSuccess : kDifferent;
    fmt::print("{}", comparison.report());
  });
}

}  // namespace lamina::cli
