#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>

namespace lamina {

/// Root of everything that Lamina throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument, a shape, a name or a configuration that cannot be used (Keras's ValueError).
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A class or an option of a Keras configuration that Lamina does not have; names it and its layer.
class UnsupportedError : public ValueError {
 public:
  using ValueError::ValueError;
};

/// Weights that do not fit the model; the message lists every mismatch.
class MismatchError : public ValueError {
 public:
  using ValueError::ValueError;
};

/// The operating system refused an operation on a file (Keras's OSError); `code()` is the errno.
class StorageError : public Error {
 public:
  StorageError(const std::string& message, int code) : Error(message), code_(code) {}
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

/// A file that should be there is not.
class FileNotFoundError : public StorageError {
 public:
  using StorageError::StorageError;
};

/// A file that is damaged, malicious, or not what its name says.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// A file whose bytes are not those that were saved, or that belongs to another save than the files
/// beside it: found by the checksums and the id of the save that Lamina keeps in its files, though
/// it could be read.
class CorruptionError : public FormatError {
 public:
  using FormatError::FormatError;
};

/// More host memory was asked for than is to be had. Nothing else is wrong.
class OutOfMemoryError : public Error {
 public:
  explicit OutOfMemoryError(std::size_t bytes)
      : Error("Out of memory: " + std::to_string(bytes) + " bytes of host memory were asked for.") {
  }
  /// The same, saying what for.
  OutOfMemoryError(const std::string& wanted, const OutOfMemoryError& error)
      : Error(wanted + ": " + error.what()) {}
};

/// A compute library (oneDNN, CUDA, cuDNN, cuBLAS) reported a failure.
class BackendError : public Error {
 public:
  using Error::Error;
};

/// A place in our source. As std::source_location, which Debian 12's clang does not have.
struct SourceLocation {
  const char* file = "";
  int line = 0;
  [[nodiscard]] static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                                        int line = __builtin_LINE()) noexcept {
    return {file, line};
  }
};

/// A device's runtime refused a call, or work that was given to it failed later. The message names
/// the call, its status, the reason and the place in our source.
class DeviceError : public BackendError {
 public:
  DeviceError(const std::string& call, const std::string& status, const std::string& reason,
              const SourceLocation& where, bool out_of_memory = false)
      : BackendError(call + " failed with " + status + " (" + reason + ") at " + where.file + ":" +
                     std::to_string(where.line) + "."),
        call_(call),
        status_(status),
        out_of_memory_(out_of_memory) {}
  /// The same failure, told with what was being done: "Saving 'a.weights.h5': cudaMallocAsync ...".
  DeviceError(const std::string& doing, const DeviceError& cause)
      : BackendError(doing + ": " + cause.what()),
        call_(cause.call_),
        status_(cause.status_),
        out_of_memory_(cause.out_of_memory_) {}
  /// The function that failed, e.g. "cudaMallocAsync".
  [[nodiscard]] const std::string& call() const noexcept { return call_; }
  /// The name of its status, e.g. "cudaErrorMemoryAllocation".
  [[nodiscard]] const std::string& status() const noexcept { return status_; }
  /// True when memory was asked for that is not to be had; nothing else is then wrong.
  [[nodiscard]] bool out_of_memory() const noexcept { return out_of_memory_; }

 private:
  std::string call_, status_;
  bool out_of_memory_;
};

/// Work that its caller called off.
class CancelledError : public Error {
 public:
  using Error::Error;
};

}  // namespace lamina
