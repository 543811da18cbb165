#pragma once
#include <pthread.h>

namespace lamina::core {

/// What a process has one T of, with a `mutex`, that a child which is forked goes on with as it is:
/// forking waits for the mutex, so that the child finds it free and what it guards whole. Who holds
/// one such mutex must ask for no other. Made when the program or the library is loaded, as a child
/// that is forked while another thread makes it would wait for that one for ever; never destroyed.
template <class T>
class ForkedAlong {
 public:
  static T& get() {
    (void)&is_made_;
    static T& object = make();
    return object;
  }

 private:
  static T& make() {
    object_ = new T();
    (void)::pthread_atfork(lock, unlock, unlock);
    return *object_;
  }
  static void lock() { object_->mutex.lock(); }
  static void unlock() { object_->mutex.unlock(); }

  static inline T* object_ = nullptr;
  static inline const bool is_made_ = (get(), true);
};

}  // namespace lamina::core
