#include "checkpoint/verify/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "checkpoint/load/open_files.h"
#include "checkpoint/names/paths.h"
#include "checkpoint/seal/sealed_file.h"
#include "checkpoint/verify/verify_tensors.h"

namespace lamina::checkpoint {
namespace {

using std::filesystem::path;

class Verifier {
 public:
  Verifier(const path& checkpoint, storage::Storage& storage)
      : path_(checkpoint),
        storage_(storage),
        files_(open_files(checkpoint, storage, {.keep_problems = true, .first_shard = true})) {}

  VerifyReport run(const std::function<void(std::uint64_t, std::uint64_t)>& told) {
    for (const std::exception_ptr& problem : files_.problems) {
      check([&] { std::rethrow_exception(problem); });
    }
    report_.files = files_.readers.size();
    if (files_.sharded) check([&] { verify_index(path_, files_.index_seal); });
    for (const h5::Reader& reader : files_.readers) check_file(reader);
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
    if (files_.sharded) {
      check([&] { verify_membership(path_, files_.index_seal, reader, sealed); });
    }
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
    if (!files_.sharded || sealed_.empty()) return;
    const std::unordered_set<std::string_view> known_files(files_.known.begin(),
                                                           files_.known.end());
    const auto& [reader, sealed] = sealed_.front();
    const path known = reader->file().path();
    // An index may be called otherwise than the shards that it lists.
    std::string base = known.filename().string();
    const std::string end = shard_name("", sealed.seal.shard);
    if (!base.ends_with(end)) return;
    base.resize(base.size() - end.size());
    if (sealed.seal.shards > kMostFiles) {
      report_.problems.push_back(
          fmt::format("'{}' is said to be one of {} shards, more than any index lists.",
                      known.string(), sealed.seal.shards));
      return;
    }
    for (std::size_t i = 0; i < sealed.seal.shards; ++i) {
      const std::string name = shard_name(base, i);
      const path shard = known.parent_path() / name;
      if (known_files.contains(name) || storage_.exists(shard)) continue;
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
  const OpenedFiles files_;
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
