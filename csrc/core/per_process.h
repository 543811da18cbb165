#pragma once
#include <pthread.h>

#include <atomic>
#include <memory>
#include <utility>

namespace lamina::core {

/// The process's own T, made from `kArguments` when it is first asked for, and never destroyed:
/// threads may be at work with it until the very end. A child that was forked makes another, for
/// threads that it does not have may have held the mutex of its parent's.
template <class T, auto... kArguments>
class PerProcess {
 public:
  static T& get() {
    Owned* const own = own_.load(std::memory_order_acquire);
    return own != nullptr ? own->object : make();
  }

 private:
  struct Owned {
    T object{kArguments...};
    Owned* next = nullptr;
  };

  static T& make() {
    // Before the object can be found, so that no child finds it. Twice does no harm.
    if (!followed_) {
      (void)::pthread_atfork(nullptr, nullptr, leave_parents);
      followed_ = true;
    }
    auto made = std::make_unique<Owned>();
    Owned* other = nullptr;
    if (own_.compare_exchange_strong(other, made.get())) return made.release()->object;
    return other->object;
  }

  static void leave_parents() {
    Owned* const parents = own_.exchange(nullptr);
    if (parents == nullptr) return;
    parents->next = std::exchange(parents_, parents);
  }

  static inline std::atomic<Owned*> own_ = nullptr;
  static inline std::atomic<bool> followed_ = false;
  static inline Owned* parents_ = nullptr;  // in a child; where leak checkers see them
};

}  // namespace lamina::core
