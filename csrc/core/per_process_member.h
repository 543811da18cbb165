#pragma once
#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace lamina::core {

/// How often the processes that led to this one were forked: no two of them have the same count.
class Forks {
 public:
  [[nodiscard]] static std::uint64_t count() {
    // Twice does no harm.
    if (!followed_) {
      (void)::pthread_atfork(nullptr, nullptr, [] { ++count_; });
      followed_ = true;
    }
    return count_;
  }

 private:
  static inline std::atomic<std::uint64_t> count_ = 0;
  static inline std::atomic<bool> followed_ = false;
};

/// As PerProcess, for what an object has of a T and of its mutex: a child that was forked finds
/// another T, made anew, because a thread that it does not have may have held its parent's mutex,
/// in the middle of a change. Its parent's is never destroyed there. Safe from several threads.
template <class T>
class PerProcessMember {
 public:
  PerProcessMember() : own_(new Owned(Forks::count())) {}
  PerProcessMember(const PerProcessMember&) = delete;
  PerProcessMember& operator=(const PerProcessMember&) = delete;
  ~PerProcessMember() {
    Owned* const own = own_.load(std::memory_order_acquire);
    if (own->process == Forks::count()) {
      delete own;
    } else {
      leave(own);
    }
  }

  T& get() {
    Owned* own = own_.load(std::memory_order_acquire);
    if (own->process == Forks::count()) return own->object;
    auto made = std::make_unique<Owned>(Forks::count());
    if (!own_.compare_exchange_strong(own, made.get())) return own->object;  // another thread's
    leave(own);
    return made.release()->object;
  }

 private:
  struct Owned {
    explicit Owned(std::uint64_t made_in) : process(made_in) {}
    const std::uint64_t process;
    T object{};
    Owned* next = nullptr;
  };

  /// Where leak checkers see it.
  static void leave(Owned* parents) noexcept {
    parents->next = parents_.load();
    while (!parents_.compare_exchange_weak(parents->next, parents)) {
    }
  }

  std::atomic<Owned*> own_;
  static inline std::atomic<Owned*> parents_ = nullptr;
};

}  // namespace lamina::core
