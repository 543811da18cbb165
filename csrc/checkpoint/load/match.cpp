#include "checkpoint/load/match.h"

#include <fmt/format.h>
#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "checkpoint/load/match_node.h"

namespace lamina::checkpoint {
namespace {

using weights::NodeId;
using weights::WeightEdge;
using weights::WeightTree;

/// "blocks/container" for "blocks/container/dense", "blocks/container/container_1" for what lies
/// two deep; nothing for an edge that leads through no nested container.
std::vector<std::string> nested_containers(const std::string& edge) {
  std::vector<std::string> out;
  std::size_t start = edge.find('/');
  while (start != edge.npos) {
    const std::size_t end = edge.find('/', start + 1);
    if (end == edge.npos) break;
    const std::string part = edge.substr(start + 1, end - start - 1);
    const bool numbered = part.starts_with("container_") && part.size() > 10 &&
                          part.find_first_not_of("0123456789", 10) == part.npos;
    if (part != "container" && !numbered) break;
    out.push_back(edge.substr(0, end));
    start = end;
  }
  return out;
}

/// Of text in whatever form.
struct PathHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view path) const {
    return std::hash<std::string_view>()(path);
  }
};

/// Failures found so far. A nested container that the file lacks is tried with failures of its own.
class Failures {
 public:
  void add(NodeId node, Attempt attempt) {
    const auto [at, fresh] = found_.try_emplace(node);
    if (fresh) at->second = {next_++, {node, {}}};
    at->second.second.attempts.push_back(std::move(attempt));
  }
  void erase(NodeId node) { found_.erase(node); }
  [[nodiscard]] bool contains(NodeId node) const { return found_.contains(node); }
  [[nodiscard]] std::size_t size() const { return found_.size(); }

  /// In the order in which the objects first failed.
  [[nodiscard]] std::vector<Mismatch> take() {
    std::map<std::size_t, Mismatch> ordered;
    for (auto& [node, mismatch] : found_) ordered.insert(std::move(mismatch));
    std::vector<Mismatch> out;
    out.reserve(ordered.size());
    for (auto& [position, mismatch] : ordered) out.push_back(std::move(mismatch));
    return out;
  }

 private:
  std::unordered_map<NodeId, std::pair<std::size_t, Mismatch>> found_;
  std::size_t next_ = 0;
};

class Matcher {
 public:
  Matcher(const WeightTree& tree, const Catalog& catalog, const std::unordered_set<NodeId>& skip)
      : tree_(tree), catalog_(catalog), skip_(skip), state_(tree.nodes.size()) {}

  Match run() {
    Failures failures;
    if (!tree_.nodes.empty()) visit(0, "", failures);
    warn_of_containers(failures);
    out_.mismatches = failures.take();
    find_unused();
    return std::move(out_);
  }

 private:
  struct State {
    bool visited = false;  // it and all below it are loaded
    bool loaded = false;   // its own variables are
    bool active = false;   // the walk is below it
  };

  void visit(NodeId id, const std::string& path, Failures& failures) {
    State& state = state_[id];
    if (skip_.contains(id)) skipped_.push_back(path.empty() ? "/" : "/" + path + "/");
    if (state.visited || state.active || skip_.contains(id)) return;
    const bool failed = !state.loaded && !load_own(id, path, failures);
    const std::size_t before = failures.size();
    state.active = true;
    for (const WeightEdge& edge : tree_.nodes[id].edges) follow(edge, path, failures);
    state.active = false;
    if (failed) return;
    if (failures.size() <= before) state.visited = true;
    failures.erase(id);
  }

  void follow(const WeightEdge& edge, const std::string& path, Failures& failures) {
    const std::string prefix = path.empty() ? "" : path + "/";
    for (const std::string& container : nested_containers(edge.path)) {
      const std::string group = fmt::format("{}{}", prefix, container);
      if (catalog_.has_below("/" + group)) continue;
      Failures trial;
      visit(edge.target, prefix + edge.path, trial);
      for (const Mismatch& mismatch : trial.take()) {
        missing_containers_[group].insert(mismatch.node);
      }
      return;
    }
    visit(edge.target, prefix + edge.path, failures);
  }

  bool load_own(NodeId id, const std::string& path, Failures& failures) {
    const std::string vars = weights::vars_path(path);
    CatalogGroup group = catalog_.find(vars);
    if (group.path != vars) asked_.insert(group.path);
    asked_.insert(vars);
    NodeMatch result = match_node(tree_.nodes[id], group);
    if (result.error) {
      failures.add(id, {vars, std::move(*result.error), std::move(group)});
      return false;
    }
    if (result.warning) out_.warnings.push_back(std::move(*result.warning));
    for (Assignment& assignment : result.assignments) {
      out_.assignments.push_back(std::move(assignment));
    }
    state_[id].loaded = true;
    return true;
  }

  // Only now is it known which objects were found elsewhere, and which failed at paths where a
  // container is not to blame: Keras warns of those too, misleadingly.
  void warn_of_containers(const Failures& failures) {
    for (const auto& [container, nodes] : missing_containers_) {
      bool kept = false, recovered = false;
      for (const NodeId node : nodes) {
        if (failures.contains(node)) continue;
        (state_[node].loaded ? recovered : kept) = true;
      }
      if (!kept && !recovered) continue;
      out_.warnings.push_back("Skipping nested container at '" + container +
                              "': no matching group found in the saved file. This usually means "
                              "the file was saved with a "
                              "Keras version that did not serialize sublayers nested inside "
                              "containers. Affected layers " +
                              (kept ? "will retain their freshly-initialized weights."
                                    : "were found under other paths of the file."));
    }
  }

  [[nodiscard]] bool is_skipped(std::string_view path) const {
    return std::any_of(skipped_.begin(), skipped_.end(),
                       [&](const std::string& prefix) { return path.starts_with(prefix); });
  }

  void find_unused() {
    for (const std::string_view path : catalog_.all_paths()) {
      if (asked_.contains(path)) continue;
      if (path.starts_with("/lamina/")) continue;  // ours, for who asks for it
      if (!is_skipped(path)) out_.unused.emplace_back(path);
    }
  }

  const WeightTree& tree_;
  const Catalog& catalog_;
  const std::unordered_set<NodeId>& skip_;
  std::vector<State> state_;
  std::map<std::string, std::set<NodeId>> missing_containers_;
  std::unordered_set<std::string, PathHash, std::equal_to<>> asked_;
  std::vector<std::string> skipped_;
  Match out_;
};

}  // namespace

const Attempt& Mismatch::best() const {
  return *std::max_element(
      attempts.begin(), attempts.end(),
      [](const Attempt& a, const Attempt& b) { return a.found.count < b.found.count; });
}

Match match(const WeightTree& tree, const Catalog& catalog,
            const std::unordered_set<NodeId>& skip) {
  return Matcher(tree, catalog, skip).run();
}

}  // namespace lamina::checkpoint
