#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

// What the machine itself can do: system calls and nothing else. All return seconds.
namespace lamina::bench {

/// As many bytes as some files are to have, in memory of their own: a disk takes a few megabytes
/// that are written again and again from a processor's caches, and so a tenth faster than a model.
class WriteMemory {
 public:
  explicit WriteMemory(std::vector<std::uint64_t> sizes);
  /// Writes the files in parts of 16 MiB, past the page cache, by as many threads as Lamina uses;
  /// then one fsync a file. The files are removed again.
  [[nodiscard]] double write(const std::filesystem::path& directory) const;

 private:
  std::vector<std::uint64_t> sizes_;
  std::vector<std::shared_ptr<void>> memory_;
};

/// Memory for all bytes of some files.
class ReadMemory {
 public:
  explicit ReadMemory(std::vector<std::filesystem::path> files);
  /// Allocates as Lamina does, reads all files into it by threads in parts of 16 MiB, and keeps it.
  [[nodiscard]] double read_fresh(bool direct);
  /// Reads into memory that an earlier call has made.
  [[nodiscard]] double read_again(bool direct);
  void release() { memory_.clear(); }

 private:
  void allocate();
  void read(bool direct);

  std::vector<std::filesystem::path> files_;
  std::vector<std::uint64_t> sizes_;
  std::vector<std::shared_ptr<void>> memory_;
};

/// Reads the files once, so that they are in the page cache.
void warm(const std::vector<std::filesystem::path>& files);
/// Takes the files out of the page cache.
void cool(const std::vector<std::filesystem::path>& files);

}  // namespace lamina::bench
