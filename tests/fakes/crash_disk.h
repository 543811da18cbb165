#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace lamina::testing {

using FileBytes = std::vector<std::byte>;

/// One thing done to a directory.
struct Operation {
  enum class Kind { kCreate, kResize, kWrite, kSync, kRename, kLink, kRemove, kSyncDirectory };
  Kind kind;
  std::string name, to;
  std::size_t file = 0;      ///< kCreate to kSync: whichever name it has by now
  std::uint64_t offset = 0;  ///< kResize: the size
  FileBytes bytes = {};
};

/// What a power cut makes of bytes that were not synced.
enum class Unsynced { kDropped, kKept, kTorn };

/// A directory: what programs see of it, and what is certain to outlive a power cut.
class CrashDisk {
 public:
  using Names = std::map<std::string, std::size_t>;

  [[nodiscard]] const Names& names() const { return now_; }
  [[nodiscard]] const FileBytes& bytes(std::size_t file) const { return files_[file].now; }
  [[nodiscard]] std::size_t next_file() const { return files_.size(); }
  /// Creations, renames and removals that a power cut may undo.
  [[nodiscard]] std::size_t loose() const { return entries_.size(); }

  void apply(const Operation& op) {
    switch (op.kind) {
      case Operation::Kind::kCreate:
        files_.emplace_back();
        return enter(Entry{Name{op.name, files_.size() - 1}, {}});
      case Operation::Kind::kResize:
      case Operation::Kind::kWrite:
        change(files_[op.file].now, op, nullptr);
        return files_[op.file].unsynced.push_back(op);
      case Operation::Kind::kSync:
        files_[op.file].durable = files_[op.file].now;
        return files_[op.file].unsynced.clear();
      case Operation::Kind::kRename:
        // Two names of one file: POSIX says that nothing happens.
        if (now_.contains(op.to) && now_.at(op.to) == now_.at(op.name)) return;
        return enter(Entry{Name{op.to, now_.at(op.name)}, op.name});
      case Operation::Kind::kLink:
        return enter(Entry{Name{op.to, now_.at(op.name)}, {}});
      case Operation::Kind::kRemove:
        return enter(Entry{{}, op.name});
      case Operation::Kind::kSyncDirectory:
        durable_ = now_;
        return entries_.clear();
    }
  }

  /// The disk after a power cut, with those unsynced changes of the directory that `kept` says (one
  /// flag a change, in their order). File systems may choose any: each name then is as it was at
  /// some moment since the last sync. With `split`, a rename may leave both names.
  [[nodiscard]] CrashDisk after_power_cut(const std::vector<bool>& kept, Unsynced data, bool split,
                                          std::mt19937& random) const {
    CrashDisk out;
    Names names = durable_;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (kept[i]) enter(names, entries_[i], split && random() % 2 == 0);
    }
    for (const auto& [name, file] : names) {
      out.now_[name] = out.files_.size();
      const FileBytes bytes = surviving(files_[file], data, random);
      out.files_.push_back({bytes, bytes, {}});
    }
    // Two names of one file are two files now: nobody writes into a file that has its name.
    out.durable_ = out.now_;
    return out;
  }

 private:
  struct File {
    FileBytes now, durable;
    std::vector<Operation> unsynced;
  };
  using Name = std::pair<std::string, std::size_t>;
  struct Entry {
    std::optional<Name> set;
    std::optional<std::string> unset;
  };

  static void enter(Names& names, const Entry& entry, bool half = false) {
    if (entry.unset && !half) names.erase(*entry.unset);
    if (entry.set) names[entry.set->first] = entry.set->second;
  }
  void enter(Entry entry) {
    enter(now_, entry);
    entries_.push_back(std::move(entry));
  }

  /// With `random`, each sector of a write, and a change of the size, happens or does not.
  static void change(FileBytes& bytes, const Operation& op, std::mt19937* random) {
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

  static FileBytes surviving(const File& file, Unsynced data, std::mt19937& random) {
    if (data == Unsynced::kDropped) return file.durable;
    if (data == Unsynced::kKept) return file.now;
    FileBytes out = file.durable;
    for (const Operation& op : file.unsynced) change(out, op, &random);
    return out;
  }

  Names now_, durable_;
  std::vector<File> files_;
  std::vector<Entry> entries_;
};

}  // namespace lamina::testing
