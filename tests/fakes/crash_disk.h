#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace lamina::testing {

using FileBytes = std::vector<std::byte>;

/// One thing done to a disk.
struct Operation {
  enum class Kind {
    kCreate,
    kResize,
    kWrite,
    kSync,
    kRename,
    kExchange,
    kLink,
    kRemove,
    kMakeDirectory,
    kSyncDirectory
  };
  Kind kind;
  std::size_t directory = 0;  ///< kCreate, kRename and what follows: where the names are
  std::string name = {}, to = {};
  std::size_t file = 0;      ///< kCreate to kSync: whichever name it has by now
  std::uint64_t offset = 0;  ///< kResize: the size
  FileBytes bytes = {};
};

/// What a power cut makes of bytes that were not synced.
enum class Unsynced { kDropped, kKept, kTorn };

/// A disk of files and directories, which are numbered; 0 is the root. What programs see of it, and
/// what is certain to outlive a power cut.
class CrashDisk {
 public:
  using Names = std::map<std::string, std::size_t>;

  CrashDisk() { nodes_.push_back({.is_directory = true}); }

  /// What is at a path from the root.
  [[nodiscard]] std::optional<std::size_t> find(const std::filesystem::path& path) const {
    std::size_t at = 0;
    for (const auto& part : path) {
      if (part.empty() || part == ".") continue;
      const auto next = nodes_[at].now.find(part.string());
      if (next == nodes_[at].now.end()) return {};
      at = next->second;
    }
    return at;
  }
  [[nodiscard]] bool is_directory(std::size_t node) const { return nodes_[node].is_directory; }
  [[nodiscard]] const Names& names(std::size_t directory) const { return nodes_[directory].now; }
  [[nodiscard]] const FileBytes& bytes(std::size_t file) const { return nodes_[file].bytes; }
  /// The number that the next new file or directory gets.
  [[nodiscard]] std::size_t next_node() const { return nodes_.size(); }
  /// Creations, renames and removals that a power cut may undo.
  [[nodiscard]] std::size_t loose() const { return loose_.size(); }

  void apply(const Operation& op) {
    const Names& names = nodes_[op.directory].now;
    switch (op.kind) {
      case Operation::Kind::kCreate:
      case Operation::Kind::kMakeDirectory:
        nodes_.push_back({.is_directory = op.kind == Operation::Kind::kMakeDirectory});
        return change({op.directory, {{op.name, nodes_.size() - 1}}});
      case Operation::Kind::kResize:
      case Operation::Kind::kWrite:
        write(nodes_[op.file].bytes, op, nullptr);
        return nodes_[op.file].unsynced.push_back(op);
      case Operation::Kind::kSync:
        nodes_[op.file].durable_bytes = nodes_[op.file].bytes;
        return nodes_[op.file].unsynced.clear();
      case Operation::Kind::kRename:
        // Two names of one file: POSIX says that nothing happens.
        if (names.contains(op.to) && names.at(op.to) == names.at(op.name)) return;
        return change({op.directory, {{op.name, {}}, {op.to, names.at(op.name)}}});
      case Operation::Kind::kExchange:
        return change({op.directory, {{op.name, names.at(op.to)}, {op.to, names.at(op.name)}}});
      case Operation::Kind::kLink:
        return change({op.directory, {{op.to, names.at(op.name)}}});
      case Operation::Kind::kRemove:
        return change({op.directory, {{op.name, {}}}});
      case Operation::Kind::kSyncDirectory:
        nodes_[op.directory].durable = names;
        std::erase_if(loose_, [&](const Change& c) { return c.directory == op.directory; });
        return;
    }
  }

  /// The disk after a power cut, with those unsynced changes of its directories that `kept` says
  /// (one flag a change, in their order). File systems may choose any: each name then is as it was
  /// at some moment since the last sync of its directory. With `split`, a rename of a file may
  /// leave both names.
  [[nodiscard]] CrashDisk after_power_cut(const std::vector<bool>& kept, Unsynced data, bool split,
                                          std::mt19937& random) const {
    std::vector<Names> names;
    for (const Node& node : nodes_) names.push_back(node.durable);
    for (std::size_t i = 0; i < loose_.size(); ++i) {
      if (kept[i]) enter(names[loose_[i].directory], loose_[i], split && random() % 2 == 0);
    }
    CrashDisk out;
    const auto copy = [&](const auto& self, std::size_t from, std::size_t to) -> void {
      for (const auto& [name, node] : names[from]) {
        // Two names of one file are two files now: nobody writes into a file that has its name.
        const std::size_t made = out.nodes_.size();
        out.nodes_[to].now[name] = made;
        const FileBytes bytes = surviving(nodes_[node], data, random);
        out.nodes_.push_back(
            {.is_directory = nodes_[node].is_directory, .bytes = bytes, .durable_bytes = bytes});
        self(self, node, made);
      }
      out.nodes_[to].durable = out.nodes_[to].now;
    };
    copy(copy, 0, 0);
    return out;
  }

 private:
  struct Node {
    bool is_directory = false;
    Names now = {}, durable = {};
    FileBytes bytes = {}, durable_bytes = {};
    std::vector<Operation> unsynced = {};
  };
  /// What becomes of names of a directory in one step: they lead elsewhere, or nowhere.
  struct Change {
    std::size_t directory;
    std::vector<std::pair<std::string, std::optional<std::size_t>>> names;
  };

  /// With `half`, no file loses a name.
  void enter(Names& names, const Change& change, bool half = false) const {
    for (const auto& [name, node] : change.names) {
      if (node) {
        names[name] = *node;
      } else if (const auto at = names.find(name); at != names.end()) {
        if (!half || nodes_[at->second].is_directory) names.erase(at);
      }
    }
  }
  void change(Change change) {
    enter(nodes_[change.directory].now, change);
    loose_.push_back(std::move(change));
  }

  /// With `random`, each sector of a write, and a change of the size, happens or does not.
  static void write(FileBytes& bytes, const Operation& op, std::mt19937* random) {
    constexpr std::size_t kSector = 512;
    if (op.kind == Operation::Kind::kResize) {
      if (random == nullptr || (*random)() % 2 == 0) bytes.resize(op.offset);
      return;
    }
    for (std::size_t at = 0; at < op.bytes.size();) {
      const std::size_t n =
          std::min<std::size_t>(kSector - (op.offset + at) % kSector, op.bytes.size() - at);
      if (random == nullptr || (*random)() % 2 == 0) {
        bytes.resize(std::max<std::size_t>(bytes.size(), op.offset + at + n));
        std::copy_n(op.bytes.begin() + static_cast<std::ptrdiff_t>(at), n,
                    bytes.begin() + static_cast<std::ptrdiff_t>(op.offset + at));
      }
      at += n;
    }
  }

  static FileBytes surviving(const Node& file, Unsynced data, std::mt19937& random) {
    if (data == Unsynced::kDropped) return file.durable_bytes;
    if (data == Unsynced::kKept) return file.bytes;
    FileBytes out = file.durable_bytes;
    for (const Operation& op : file.unsynced) write(out, op, &random);
    return out;
  }

  std::vector<Node> nodes_;
  std::vector<Change> loose_;
};

}  // namespace lamina::testing
