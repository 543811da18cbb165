#include "storage/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <filesystem>
#include <type_traits>

#include "core/crc32c.h"

namespace lamina::storage {
namespace {

/// The numbers of fields, as the .proto files have them.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSourceMetadata = 10;
}
namespace source_metadata {
constexpr int kWriter = 1;
}
namespace summary {
constexpr int kValue = 1;
}
namespace value {
constexpr int kTag = 1, kTensor = 8, kMetadata = 9;
}
namespace metadata {
constexpr int kPluginData = 1, kDataClass = 4, kScalar = 1;
}
namespace plugin_data {
constexpr int kPluginName = 1;
}
namespace tensor {
constexpr int kDtype = 1, kShape = 2, kContent = 4, kFloat = 1;
}

/// A protobuf message in the making.
class Message {
 public:
  Message& number(int field, std::int64_t value) {
    key(field, kVarint);
    return varint(static_cast<std::uint64_t>(value));
  }
  Message& real(int field, double value) {
    key(field, kFixed64);
    append(value);
    return *this;
  }
  Message& text(int field, std::string_view value) {
    key(field, kBytes);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  /// Its bytes as they are in memory, which is little-endian.
  template <class T>
  Message& append(T value) {
    static_assert(std::is_arithmetic_v<T> && std::endian::native == std::endian::little);
    const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
    bytes_.append(bytes.data(), bytes.size());
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }

 private:
  enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2 };
  void key(int field, WireType type) { varint((static_cast<std::uint64_t>(field) << 3) | type); }
  Message& varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7F) | 0x80);
    bytes_ += static_cast<char>(value);
    return *this;
  }

  std::string bytes_;
};

std::uint32_t checksum(std::string_view bytes) {
  return masked_crc(core::crc32c(std::as_bytes(std::span(bytes.data(), bytes.size()))));
}

double now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_1970).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

}  // namespace

std::string event_record(std::string_view event) {
  Message record;
  record.append(static_cast<std::uint64_t>(event.size()));
  record.append(checksum(record.bytes()));
  std::string out = record.bytes();
  out += event;
  out += Message().append(checksum(event)).bytes();
  return out;
}

std::string scalar_event(std::string_view tag, double value, std::int64_t step, double wall_time) {
  const Message plugin = Message().text(plugin_data::kPluginName, "scalars");
  const Message meta = Message()
                           .message(metadata::kPluginData, plugin)
                           .number(metadata::kDataClass, metadata::kScalar);
  const Message content = Message().append(static_cast<float>(value));
  const Message number = Message()
                             .number(tensor::kDtype, tensor::kFloat)
                             .message(tensor::kShape, Message())
                             .text(tensor::kContent, content.bytes());
  const Message one = Message()
                          .text(value::kTag, tag)
                          .message(value::kTensor, number)
                          .message(value::kMetadata, meta);
  return Message()
      .real(event::kWallTime, wall_time)
      .number(event::kStep, step)
      .message(event::kSummary, Message().message(summary::kValue, one))
      .bytes();
}

EventFile::EventFile(const Path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) raise_posix("mkdir", directory, error.value());
  const double time = now();
  for (int number = 0; !file_; ++number) {
    path_ =
        directory / fmt::format("events.out.tfevents.{:010}.{}.{}.{}.v2",
                                static_cast<std::int64_t>(time), host_name(), ::getpid(), number);
    Descriptor made(
        ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
    if (!made && errno != EEXIST && errno != EINTR) raise_posix("open", path_, errno);
    file_ = std::move(made);
  }
  write(event_record(
      Message()
          .real(event::kWallTime, time)
          .text(event::kFileVersion, "brain.Event:2")
          .message(event::kSourceMetadata, Message().text(source_metadata::kWriter, "lamina"))
          .bytes()));
}

void EventFile::add_scalar(std::string_view tag, double value, std::int64_t step) {
  write(event_record(scalar_event(tag, value, step, now())));
}

void EventFile::write(std::string_view record) {
  while (!record.empty()) {
    const auto written =
        checked("write", path_, [&] { return ::write(file_.get(), record.data(), record.size()); });
    record.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace lamina::storage
