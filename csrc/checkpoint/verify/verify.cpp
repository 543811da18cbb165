#include "checkpoint/verify/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_set>

#include "checkpoint/load/seals.h"
#include "checkpoint/load/whole_open.h"
#include "checkpoint/names/paths.h"
#include "checkpoint/verify/verify_tensors.h"
#include "storage/zip_member.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;

/// A checkpoint's HDF5 files, as far as they could be opened.
struct Opened {
  std::string index;  ///< the text; empty for a single file
  std::deque<h5::Reader> readers;
  VerifyReport report;  ///< of opening them
};

class Verifier {
 public:
  Verifier(const path& checkpoint, storage::Storage& storage)
      : path_(checkpoint), storage_(storage) {}

  VerifyReport run(const std::function<void(std::uint64_t, std::uint64_t)>& told) {
    Opened opened = open();
    report_ = std::move(opened.report);
    report_.files = opened.readers.size();
    if (!opened.index.empty()) check([&] { verify_index(path_, index_seal_); });
    for (const h5::Reader& reader : opened.readers) check_file(reader);
    check([&] { find_missing(); });
    std::vector<OpenedSeal> files;
    for (const auto& [reader, sealed] : sealed_) files.push_back({reader, &sealed});
    count(files);
    ByteProgress progress(told, report_.bytes);
    verify_tensors(files, progress, report_);
    return std::move(report_);
  }

 private:
  /// Notes what `action` throws as a problem. False when it did.
  template <class F>
  bool check(F&& action) {
    try {
      action();
      return true;
    } catch (const Error& error) {
      note(error, error.what(), report_);
      return false;
    }
  }

  Opened open() {
    Opened out;
    switch (load_kind(path_)) {
      case LoadKind::kSingle:
        open_file({storage_.open(path_), 0, {}}, out);
        return out;
      case LoadKind::kArchive:
        open_archive(storage_.open(path_), out);
        return out;
      case LoadKind::kSharded:
        break;
    }
    sharded_ = true;
    open_whole(
        path_, storage_, [&](const std::string& text) { out = open_shards(text); },
        [&] { return any_replaced(out.readers); });
    return out;
  }

  Opened open_shards(const std::string& text) {
    Opened out{text, {}, {}};
    index_seal_ = find_index_seal(out.index);
    Index index;
    try {
      index = parse_index(out.index, path_.string());
    } catch (const FormatError& error) {
      note(error, error.what(), out.report);
      return out;
    }
    listed_.clear();
    for (const IndexEntry& entry : index.entries) {
      for (const std::string& file : entry.files) {
        if (listed_.insert(file).second) open_shard(file, out);
      }
    }
    // Groups without variables lie in the first shard, which no entry may list then.
    if (const std::string first = shard_name(shard_base(path_), 0); !listed_.contains(first)) {
      open_unlisted(first, out);
    }
    return out;
  }

  void open_shard(const std::string& name, Opened& out) {
    try {
      open_file({storage_.open(path_.parent_path() / name), 0, {}}, out);
    } catch (const StorageError& error) {
      note(error, error.what(), out.report);
    }
  }

  /// A shard that need not be there.
  void open_unlisted(const std::string& name, Opened& out) {
    try {
      if (!storage_.exists(path_.parent_path() / name)) return;
    } catch (const StorageError& error) {
      return note(error, error.what(), out.report);
    }
    listed_.insert(name);
    open_shard(name, out);
  }

  static void open_archive(std::shared_ptr<const storage::ReadableFile> archive, Opened& out) {
    try {
      storage::ZipMember member = storage::open_member(std::move(archive), "model.weights.h5");
      open_file({std::move(member.file), member.base, member.size}, out);
    } catch (const FormatError& error) {
      note(error, error.what(), out.report);
    }
  }

  struct Window {
    std::shared_ptr<const storage::ReadableFile> file;
    std::uint64_t base;
    std::optional<std::uint64_t> size;
  };

  static void open_file(Window window, Opened& out) {
    try {
      out.readers.emplace_back(std::move(window.file), window.base, window.size);
    } catch (const FormatError& error) {
      note(error, error.what(), out.report);
    }
  }

  void check_file(const h5::Reader& reader) {
    std::optional<SealedFile> sealed;
    const std::size_t unreadable = report_.unreadable.size();
    bool sound = check([&] {
      sealed = read_sealed_file(reader);
      if (sealed) verify_rest(*sealed, reader);
    });
    // What its own checksum vouches for needs no other look, and what cannot be read bears none.
    if (report_.unreadable.size() > unreadable) return;
    if (!sound || !sealed) sound = check([&] { check_structure(reader); }) && sound;
    if (!sound) return;
    if (!sealed) report_.unsealed.push_back(reader.file().path().string());
    if (sharded_) check([&] { verify_membership(path_, index_seal_, reader, sealed); });
    if (sealed) sealed_.emplace_back(&reader, std::move(*sealed));
  }

  void check_structure(const h5::Reader& reader) {
    for (const h5::VarsGroup* group : reader.groups()) {
      check([&] { (void)reader.find(group->path); });
    }
    for (const std::string& problem : reader.problems()) {
      report_.problems.push_back(fmt::format("'{}': {}", reader.file().path().string(), problem));
    }
  }

  /// Shards of which another one says that they exist, and which the index does not list.
  void find_missing() {
    if (!sharded_ || sealed_.empty()) return;
    const auto& [reader, sealed] = sealed_.front();
    const path known = reader->file().path();
    // An index may be called otherwise than the shards that it lists.
    std::string base = known.filename().string();
    const std::string end = shard_name("", sealed.seal.shard);
    if (!base.ends_with(end)) return;
    base.resize(base.size() - end.size());
    for (std::size_t i = 0; i < sealed.seal.shards; ++i) {
      const std::string name = shard_name(base, i);
      const path shard = known.parent_path() / name;
      if (listed_.contains(name) || storage_.exists(shard)) continue;
      report_.problems.push_back(
          fmt::format("'{}' is missing: shard {} of {}.", shard.string(), i, sealed.seal.shards));
    }
  }

  void count(const std::vector<OpenedSeal>& files) {
    for (const OpenedSeal& file : files) {
      report_.tensors += file.sealed->tensors.size();
      for (const SealedTensor& tensor : file.sealed->tensors) report_.bytes += tensor.place.size;
    }
  }

  const path& path_;
  storage::Storage& storage_;
  bool sharded_ = false;
  std::optional<IndexSeal> index_seal_;
  std::unordered_set<std::string> listed_;  // shards
  std::vector<std::pair<const h5::Reader*, SealedFile>> sealed_;
  VerifyReport report_;
};

}  // namespace

bool tells_damage(const Error& error) {
  return dynamic_cast<const FormatError*>(&error) != nullptr ||
         dynamic_cast<const FileNotFoundError*>(&error) != nullptr;
}

void note(const Error& error, std::string text, VerifyReport& report) {
  if (tells_damage(error)) return report.problems.push_back(std::move(text));
  if (!report.failure) report.failure = std::current_exception();
  report.unreadable.push_back(std::move(text));
}

VerifyReport verify(const path& checkpoint,
                    const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                    storage::Storage& storage) {
  return Verifier(checkpoint, storage).run(progress);
}

}  // namespace lamina::checkpoint
