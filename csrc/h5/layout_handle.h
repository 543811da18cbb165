#pragma once
#include <hdf5.h>
#include <lamina/error.h>

#include <string>
#include <utility>

namespace lamina::h5 {

/// Throws FormatError: the call, the object it was for, and what HDF5 says about it.
[[noreturn]] void raise_hdf5(const char* call, const std::string& object);

/// The one place where results of HDF5 calls are checked.
template <class T>
T checked(T result, const char* call, const std::string& object) {
  if (result < 0) raise_hdf5(call, object);
  return result;
}

/// An HDF5 identifier of any kind and the duty to release it.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, const char* call, const std::string& object) : id_(checked(id, call, object)) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);
  }

  [[nodiscard]] hid_t get() const noexcept { return id_; }
  [[nodiscard]] hid_t release() noexcept { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

/// Keeps HDF5 from printing its errors while they are turned into exceptions.
class QuietErrors {
 public:
  QuietErrors();
  ~QuietErrors();
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace lamina::h5
