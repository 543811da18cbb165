#include "cli/weights_tree_text.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cli/text.h"
#include "core/readable_size.h"

namespace lamina::cli {
namespace {

using Row = std::vector<std::string>;

/// An object of the saved model: "dense" of "/layers/dense/vars".
struct Object {
  std::string label = "/";
  const StoredGroup* group = nullptr;
  std::vector<Object*> children;
};

class Tree {
 public:
  explicit Tree(const StoredWeights& weights) {
    for (const StoredGroup& group : weights.groups()) {
      find(group.path.substr(0, group.path.rfind('/'))).group = &group;
    }
  }
  [[nodiscard]] Object& root() { return find(""); }

 private:
  Object& find(const std::string& path) {
    if (const auto it = objects_.find(path); it != objects_.end()) return *it->second;
    Object& object = *objects_.emplace(path, std::make_unique<Object>()).first->second;
    if (path.empty()) return object;
    const std::size_t slash = path.rfind('/');
    object.label = path.substr(slash + 1);
    find(path.substr(0, slash)).children.push_back(&object);
    return object;
  }

  std::unordered_map<std::string, std::unique_ptr<Object>> objects_;
};

class Writer {
 public:
  explicit Writer(const StoredWeights& weights) : weights_(weights) {
    rows_.push_back({"path", "dtype", "shape", "bytes", "file"});
  }

  void write(const Object& object, const std::string& label, const std::string& indent) {
    std::string line = label + printable(object.label);
    if (object.group != nullptr && object.group->name) {
      line += fmt::format(" ({})", printable(*object.group->name));
    }
    rows_.push_back({line});
    const std::size_t variables = object.group == nullptr ? 0 : object.group->variables.size();
    for (std::size_t i = 0; i < variables; ++i) {
      const bool last = i + 1 == variables && object.children.empty();
      write(object.group->variables[i], indent + (last ? "└─ " : "├─ "));
    }
    for (const Object* child : object.children) {
      const bool last = child == object.children.back();
      write(*child, indent + (last ? "└─ " : "├─ "), indent + (last ? "   " : "│  "));
    }
  }

  [[nodiscard]] std::string text() const {
    return format_table(rows_, {false, false, false, true, false});
  }

 private:
  void write(const StoredVariable& variable, const std::string& label) {
    rows_.push_back({label + printable(variable.key), variable.type_name(),
                     variable.dataset.shape.str(), std::to_string(variable.dataset.nbytes),
                     printable(weights_.files()[variable.file])});
  }

  const StoredWeights& weights_;
  std::vector<Row> rows_;
};

/// "7,200,312"
std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return result;
}

std::string counted(std::uint64_t number, std::string_view what) {
  return fmt::format("{} {}{}", grouped(number), what, number == 1 ? "" : "s");
}

}  // namespace

Totals totals_of(const StoredWeights& weights) {
  Totals totals;
  for (const StoredGroup& group : weights.groups()) {
    ++totals.groups;
    for (const StoredVariable& variable : group.variables) {
      ++totals.variables;
      totals.parameters += static_cast<std::uint64_t>(variable.dataset.shape.size());
      totals.bytes += variable.dataset.nbytes;
    }
  }
  return totals;
}

std::string totals_text(const StoredWeights& weights) {
  const Totals totals = totals_of(weights);
  return fmt::format("{}, {}, {}, {} in {}\n", counted(totals.groups, "group"),
                     counted(totals.variables, "variable"), counted(totals.parameters, "parameter"),
                     core::readable_size(static_cast<double>(totals.bytes)),
                     counted(weights.files().size(), "file"));
}

std::string tree_text(const StoredWeights& weights) {
  Tree tree(weights);
  Writer writer(weights);
  writer.write(tree.root(), "", "");
  return writer.text();
}

}  // namespace lamina::cli
