#include "fiber.h"

#include <sys/mman.h>

#include <new>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace lamina::testing {
namespace {

constexpr std::size_t kGuard = 4096, kStack = std::size_t{256} << 10;

/// With a page below that nobody may touch.
void* new_stack() {
  void* const memory =
      mmap(nullptr, kGuard + kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuard, PROT_NONE) != 0) throw std::bad_alloc();
  return static_cast<std::byte*>(memory) + kGuard;
}

Fiber* beginning = nullptr;  ///< makecontext() hands over no pointer

}  // namespace

Fiber::Fiber(std::function<void()> call) : call_(std::move(call)), stack_(new_stack()) {
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStack;
  makecontext(
      &context_, [] { beginning->begin(); }, 0);
#if defined(__SANITIZE_THREAD__)
  tsan_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(tsan_);
#endif
  munmap(static_cast<std::byte*>(stack_) - kGuard, kGuard + kStack);
}

void Fiber::begin() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &back_stack_, &back_size_);
#endif
  call_();
}

void Fiber::resume() {
  beginning = this;
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, stack_, kStack);
#endif
#if defined(__SANITIZE_THREAD__)
  tsan_back_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_, 0);
#endif
  swapcontext(&back_, &context_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Fiber::leave() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, back_stack_, back_size_);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(tsan_back_, 0);
#endif
  swapcontext(&context_, &back_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, &back_stack_, &back_size_);
#endif
}

}  // namespace lamina::testing
