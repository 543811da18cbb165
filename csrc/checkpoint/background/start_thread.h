#pragma once
#include <exception>
#include <new>
#include <system_error>
#include <utility>

namespace lamina::checkpoint {

/// Makes `thread` one that does `work`. Returns what stands in the way when none is to be had, and
/// then `thread` is as it was: those that run, or the caller, have to do the work.
template <class Thread, class Work>
[[nodiscard]] std::exception_ptr start_thread(Thread& thread, Work&& work) {
  try {
    thread = Thread(std::forward<Work>(work));
  } catch (const std::system_error&) {
    return std::current_exception();
  } catch (const std::bad_alloc&) {  // for what the thread is to be given
    return std::current_exception();
  }
  return nullptr;
}

}  // namespace lamina::checkpoint
