#include "checkpoint/load/open_files.h"

#include <lamina/error.h>

#include <algorithm>
#include <unordered_set>

#include "checkpoint/load/whole_open.h"
#include "checkpoint/names/paths.h"
#include "storage/zip_member.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;

class Opener {
 public:
  Opener(const path& checkpoint, storage::Storage& storage, const OpenOptions& options)
      : path_(checkpoint), storage_(storage), options_(options) {}

  OpenedFiles run() {
    switch (load_kind(path_)) {
      case LoadKind::kSingle:
        open_single();
        break;
      case LoadKind::kArchive:
        open_archive();
        break;
      case LoadKind::kSharded:
        open_whole(
            path_, storage_, [&](const std::string& text) { open_shards(text); },
            [&] { return any_replaced(out_.readers); });
        break;
      case LoadKind::kLegacy:
        throw UnsupportedError(
            "'" + path_.string() +
            "' is named as a legacy H5 file, whose weights only their model can read: load it into "
            "that, and save it as `.weights.h5` (`reshard --model` of the command).");
    }
    return std::move(out_);
  }

 private:
  void keep_problem() {
    if (!options_.keep_problems) throw;
    out_.problems.push_back(std::current_exception());
  }

  /// Keeps what is wrong with a file that is open, where that is asked for.
  template <class F>
  void attempt(F&& read) {
    try {
      read();
    } catch (const FormatError&) {
      keep_problem();
    }
  }

  /// The same of a shard, which may be missing, too.
  template <class F>
  void attempt_shard(F&& open) {
    try {
      attempt(open);
    } catch (const StorageError&) {
      keep_problem();
    }
  }

  void add(const std::string& name, h5::Reader reader) {
    out_.names.push_back(name);
    out_.readers.push_back(std::move(reader));
  }

  void open_single() {
    const std::string name = path_.filename().string();
    out_.known = {name};
    std::shared_ptr<const storage::ReadableFile> file = storage_.open(path_);
    attempt([&] { add(name, h5::Reader(std::move(file))); });
  }

  void open_archive() {
    out_.known = {kArchivedWeights};
    std::shared_ptr<const storage::ReadableFile> archive = storage_.open(path_);
    attempt([&] {
      storage::ZipMember member = storage::open_member(std::move(archive), kArchivedWeights);
      add(kArchivedWeights, h5::Reader(std::move(member.file), member.base, member.size));
    });
  }

  /// What is open of earlier is let go.
  void open_shards(const std::string& text) {
    out_ = {};
    out_.sharded = true;
    out_.index_seal = find_index_seal(text);
    if (options_.verify_index) verify_index(path_, out_.index_seal);
    bool is_parsed = false;
    attempt([&] {
      out_.index = parse_index(text, path_.string());
      is_parsed = true;
    });
    if (!is_parsed) return;
    std::unordered_set<std::string> seen;
    for (const IndexEntry& entry : out_.index.entries) {
      for (const std::string& name : entry.files) {
        if (seen.insert(name).second) open_listed(name);
      }
    }
    const std::string first = shard_name(shard_base(path_), 0);
    if (options_.first_shard && !seen.contains(first)) open_unlisted(first);
  }

  void open_shard(const std::string& name) {
    out_.known.push_back(name);
    add(name, h5::Reader(storage_.open(path_.parent_path() / name)));
  }

  void open_listed(const std::string& name) {
    attempt_shard([&] {
      try {
        open_shard(name);
      } catch (const FileNotFoundError& error) {
        throw FileNotFoundError(std::string(error.what())
                                    .append(" (a shard that the index '")
                                    .append(path_.string())
                                    .append("' lists)"),
                                error.code());
      }
    });
  }

  /// A shard that need not be there.
  void open_unlisted(const std::string& name) {
    attempt_shard([&] {
      if (storage_.exists(path_.parent_path() / name)) open_shard(name);
    });
  }

  const path& path_;
  storage::Storage& storage_;
  const OpenOptions options_;
  OpenedFiles out_;
};

}  // namespace

OpenedFiles open_files(const path& checkpoint, storage::Storage& storage,
                       const OpenOptions& options) {
  return Opener(checkpoint, storage, options).run();
}

}  // namespace lamina::checkpoint
