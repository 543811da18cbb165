#pragma once
#include <ucontext.h>

#include <functional>

namespace lamina::testing {

/// A call on a stack of its own, which it may leave in its middle to be resumed there, if need be
/// by another thread. Sanitizers are told. The call is never destroyed: it must not end, and holds
/// nothing where it leaves for the last time.
class Fiber {
 public:
  explicit Fiber(std::function<void()> call);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Returns when the call leaves.
  void resume();
  /// Called by the call: returns when it is resumed.
  void leave();

 private:
  void begin();

  std::function<void()> call_;
  void* stack_;
  ucontext_t context_{}, back_{};
  // Sanitizers' own.
  void* tsan_ = nullptr;
  void* tsan_back_ = nullptr;
  const void* back_stack_ = nullptr;
  std::size_t back_size_ = 0;
};

}  // namespace lamina::testing
