#pragma once
#include <lamina/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lamina {

namespace checkpoint {
class SaveState;
}

/// Where an asynchronous save keeps the values that it has yet to write, and so how long
/// `wait_until_copied` takes. Assigning to variables needs no such wait whatever the policy: an
/// assigned value takes the place of the old one, which the save goes on holding.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // GCC takes it for one of lamina::kNone
enum class SnapshotPolicy {
  /// Nowhere. The wait lasts until values of the host are written, those of a device in the ring.
  kNone,
  /// A copy beside the values on their device; for values in host memory the same as `kHost`.
  kDevice,
  /// A copy in host memory, made at once in the background: the wait lasts as long as that, and
  /// the model's size is needed once more.
  kHost,
  /// For values on a device a copy there if it fits with an eighth of its size to spare, else one
  /// in host memory if that fits likewise, else none. For values in host memory none: Lamina
  /// replaces these instead of writing into them.
  kAutomatic,
};
#pragma GCC diagnostic pop

/// How far a save has come. The totals are 0 until the files are laid out.
struct SaveProgress {
  std::uint64_t bytes_done = 0, bytes_total = 0;
  std::size_t shards_done = 0, shards_total = 0;
};

/// A save that runs in the background (Model::save_weights_async). Destroying the handle lets the
/// save run on, and the end of the process waits for it; where another process keeps the
/// checkpoint's lock, half a minute at most: then the save is given up, with a warning, and the old
/// checkpoint stays. Every member is safe to call from any thread, at any time; an empty handle
/// stands for a save that is over. In a child that was forked while the save was under way it has
/// become one of a save that nobody can wait for.
class SaveHandle {
 public:
  SaveHandle() = default;
  SaveHandle(SaveHandle&&) noexcept = default;
  SaveHandle& operator=(SaveHandle&&) noexcept = default;
  SaveHandle(const SaveHandle&) = delete;
  SaveHandle& operator=(const SaveHandle&) = delete;
  ~SaveHandle() = default;

  /// Returns when the checkpoint is in its place, on stable storage. Throws what made the save
  /// fail, unless the model's next save has thrown it already: a failure is thrown once, and warned
  /// of when nobody is left to whom it could be thrown, or when the process ends. Throws
  /// CancelledError after a `cancel` that came in time, and Error in a child that was forked
  /// meanwhile: the save is its parent's.
  void wait();
  /// True when `wait` would return or throw at once.
  [[nodiscard]] bool done() const;
  /// The fence for whoever writes into the tensors' memory (an update in place): returns when the
  /// save no longer reads the values, done or not. Throws nothing.
  void wait_until_copied() const;
  /// Of a save that is over, how far it came; zeros for an empty handle.
  [[nodiscard]] SaveProgress progress() const;
  /// Stops the save within some megabytes: the old checkpoint stays, and no other file does. Does
  /// not wait for that. Has no effect on a save that is already putting its files in place.
  void cancel();

 private:
  friend class checkpoint::SaveState;
  explicit SaveHandle(std::shared_ptr<checkpoint::SaveState> state) : state_(std::move(state)) {}

  std::shared_ptr<checkpoint::SaveState> state_;
};

}  // namespace lamina
