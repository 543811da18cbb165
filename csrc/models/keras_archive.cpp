#include "models/keras_archive.h"

#include <lamina/error.h>
#include <lamina/model.h>
#include <zip.h>

#include <cerrno>
#include <memory>

#include "models/json_text.h"

namespace lamina {
namespace models {
namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* file) const noexcept { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;
using Member = std::unique_ptr<zip_file_t, CloseMember>;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& member,
                       const char* call, const char* reason) {
  const std::string what = member.empty() ? "" : ", member '" + member + "'";
  throw FormatError(path.string() + what + ": " + call + ": " + reason + ".");
}

Archive open_archive(const std::filesystem::path& path) {
  int code = 0;
  if (zip_t* archive = zip_open(path.c_str(), ZIP_RDONLY, &code)) return Archive(archive);
  if (code == ZIP_ER_NOENT) {
    throw FileNotFoundError("[Errno 2] No such file or directory: '" + path.string() + "'", ENOENT);
  }
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  fail(path, "", "zip_open", reason.c_str());
}

}  // namespace

std::string read_archive_member(const std::filesystem::path& path, const std::string& member,
                                std::uint64_t limit) {
  const Archive archive = open_archive(path);
  zip_stat_t stat;
  if (zip_stat(archive.get(), member.c_str(), 0, &stat) != 0) {
    fail(path, member, "zip_stat", zip_strerror(archive.get()));
  }
  if ((stat.valid & ZIP_STAT_SIZE) == 0 || stat.size > limit) {
    fail(path, member, "zip_stat", ("more than " + std::to_string(limit) + " bytes").c_str());
  }
  const Member file(zip_fopen(archive.get(), member.c_str(), 0));
  if (!file) fail(path, member, "zip_fopen", zip_strerror(archive.get()));
  std::string bytes(stat.size, '\0');
  const zip_int64_t read = zip_fread(file.get(), bytes.data(), bytes.size());
  if (read < 0 || static_cast<std::uint64_t>(read) != stat.size) {
    fail(path, member, "zip_fread",
         read < 0 ? zip_file_strerror(file.get()) : "the member ends early");
  }
  return bytes;
}

}  // namespace models

ModelPtr Model::load(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = 64u << 20;
  (void)models::parse_untrusted(models::read_archive_member(path, "metadata.json", kMaxBytes),
                                path.string() + ", member 'metadata.json'");
  const std::string config = models::read_archive_member(path, "config.json", kMaxBytes);
  ModelPtr model = from_json_text(config, path.string() + ", member 'config.json'");
  if (model->built()) model->load_weights(path);
  return model;
}

}  // namespace lamina
