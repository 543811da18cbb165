#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace lamina::runtime {

/// Streams or events, which are dear to make, kept for whoever needs one for a while: there are as
/// many as were ever in use at once. Safe to use from several threads; what is taken belongs to
/// one.
template <class T>
class Pool {
 public:
  /// One of one's own. It goes with this, a stream when its work is done, unless it is handed back:
  /// what has failed must not be another's.
  class Lease {
   public:
    Lease() = default;
    explicit operator bool() const noexcept { return object_ != nullptr; }
    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_.get(); }
    /// For the next one: nothing is pending on it, and nothing of it has failed.
    void hand_back() noexcept { pool_->keep(std::move(object_)); }

   private:
    friend class Pool;
    Lease(Pool& pool, std::unique_ptr<T> object) noexcept
        : pool_(&pool), object_(std::move(object)) {}
    Pool* pool_ = nullptr;
    std::unique_ptr<T> object_;
  };

  explicit Pool(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}

  /// Throws what making one throws.
  [[nodiscard]] Lease take() {
    if (std::unique_ptr<T> kept = take_kept()) return Lease(*this, std::move(kept));
    return Lease(*this, make_());
  }

 private:
  [[nodiscard]] std::unique_ptr<T> take_kept() {
    const std::lock_guard lock(mutex_);
    if (kept_.empty()) return nullptr;
    std::unique_ptr<T> object = std::move(kept_.back());
    kept_.pop_back();
    return object;
  }
  void keep(std::unique_ptr<T> object) noexcept {
    try {
      const std::lock_guard lock(mutex_);
      kept_.push_back(std::move(object));
    } catch (const std::bad_alloc&) {
      // It goes, and the next one makes another.
    }
  }

  const std::function<std::unique_ptr<T>()> make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> kept_;
};

}  // namespace lamina::runtime
