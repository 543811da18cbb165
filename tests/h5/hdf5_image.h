#pragma once
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "h5/read/reader.h"
#include "storage/memory_file.h"

namespace lamina::h5::test {

/// Fails the test that made a library call which failed.
template <class T>
T checked(T result) {
  if (result < 0) throw std::runtime_error("an HDF5 call of the test failed");
  return result;
}

/// An HDF5 handle of any kind.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(checked(id)), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }
  void close() {
    if (id_ >= 0) close_(std::exchange(id_, -1));
  }
  operator hid_t() const { return id_; }  // NOLINT: as the library's own

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

enum class Format { kEarliest, kLatest };

/// A file that libhdf5 writes.
class Hdf5Image {
 public:
  explicit Hdf5Image(Format format = Format::kEarliest);

  ~Hdf5Image();
  Hdf5Image(const Hdf5Image&) = delete;
  Hdf5Image& operator=(const Hdf5Image&) = delete;

  [[nodiscard]] hid_t file() const { return file_; }
  /// Creates groups on the way as needed.
  void group(const std::string& path);
  /// A dataset with its bytes; `creation` H5P_DEFAULT for contiguous.
  void dataset(const std::string& path, hid_t type, const std::vector<hsize_t>& dims,
               const void* data, hid_t creation = H5P_DEFAULT,
               const std::vector<hsize_t>& maximum = {});
  /// A scalar text attribute, of variable length or not.
  void attribute(const std::string& object, const std::string& name, const std::string& value,
                 bool variable = true);
  /// A list of texts, of variable length or of the longest one's; of none, as numpy makes it, no
  /// texts but numbers.
  void list_attribute(const std::string& object, const std::string& name,
                      const std::vector<std::string>& values, bool variable = false);
  /// Closes the file and returns its bytes.
  [[nodiscard]] std::vector<std::byte> bytes();

 private:
  std::string path_;
  Handle file_;
};

[[nodiscard]] Handle creation_list();
[[nodiscard]] Handle chunked(const std::vector<hsize_t>& chunk);
/// The enum that h5py writes for bool, the 16-bit float, and an opaque type of two bytes.
[[nodiscard]] Handle bool_type();
[[nodiscard]] Handle float16_type();
[[nodiscard]] Handle opaque_type(const std::string& tag = "", std::size_t size = 2);

[[nodiscard]] std::shared_ptr<storage::MemoryFile> in_memory(std::vector<std::byte> bytes);
[[nodiscard]] Reader open(std::vector<std::byte> bytes);
[[nodiscard]] std::vector<std::byte> read_data_file(const std::string& name);

/// Reads a dataset into a poisoned buffer.
template <class T>
std::vector<T> read_as(const Reader& reader, const std::string& group, const std::string& key) {
  const VarsGroup* vars = reader.find(group);
  if (vars == nullptr) throw std::runtime_error("no group " + group);
  const Dataset& dataset = vars->datasets.at(key);
  std::vector<T> result(dataset.nbytes / sizeof(T));
  const auto bytes = std::as_writable_bytes(std::span(result));
  std::fill(bytes.begin(), bytes.end(), std::byte{0xa5});
  reader.read(dataset, bytes);
  return result;
}

/// The message of the lamina::FormatError that `f` throws; "" when it throws none.
std::string format_error_of(const std::function<void()>& f);

}  // namespace lamina::h5::test
