#include "core/denormals.h"

#include <omp.h>

#include <optional>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

// A new thread begins in the mode of the one that opens its first region, and stays in the pool. So
// it must be made while that one is in the user's mode, or be seen to at the end.
//
// All of this is here, and not in the header: the compiler moves no arithmetic on memory across
// a call that it cannot see into.
namespace lamina::core {
namespace {

#if defined(__x86_64__)
constexpr Flushing kFlush = 0x8040;  // FTZ, of results, and DAZ, of operands

Flushing read() {
  return _mm_getcsr() & kFlush;
}

/// The flags of exceptions, which arithmetic raises beside these bits, stay.
void write(Flushing bits) {
  const unsigned now = _mm_getcsr(), next = (now & ~kFlush) | bits;
  if (next != now) _mm_setcsr(next);
}
#else
constexpr Flushing kFlush = 0;

Flushing read() {
  return 0;
}

void write(Flushing) {}
#endif

/// While it lives, this thread's regions have as many threads as they ask for. Where OpenMP may
/// give fewer, those left out would keep their mode.
class AsManyAsAskedFor {
 public:
  AsManyAsAskedFor() noexcept { omp_set_dynamic(0); }
  AsManyAsAskedFor(const AsManyAsAskedFor&) = delete;
  AsManyAsAskedFor& operator=(const AsManyAsAskedFor&) = delete;
  ~AsManyAsAskedFor() { omp_set_dynamic(before_); }

 private:
  const int before_ = omp_get_dynamic();
};

thread_local FlushDenormals* outermost = nullptr;
/// Of a thread of a pool that was changed.
thread_local std::optional<Flushing> before_in_pool;

}  // namespace

FlushDenormals::FlushDenormals(bool flush) noexcept {
  if (!flush || outermost != nullptr) return;
  outermost_ = true;
  outermost = this;
  before_ = read();
  write(kFlush);
}

void FlushDenormals::in_pool(int threads) noexcept {
  FlushDenormals* const flush = outermost;
  if (kFlush == 0 || flush == nullptr || threads <= flush->pool_) return;
  const bool first = flush->pool_ == 0;
  const Flushing before = flush->before_;
  flush->pool_ = threads;
  write(before);  // for those that are made now
  const AsManyAsAskedFor all;
#pragma omp parallel num_threads(threads)
  {
    const bool is_caller = outermost != nullptr;
    if (!is_caller && !before_in_pool) {
      // Of a later call: it was made since the first, and may have begun as flushing.
      before_in_pool = first ? read() : before;
      write(kFlush);
    }
  }
  write(kFlush);
}

// A region of fewer threads than the last ends those that are left over: this one reaches all that
// there are then. What was made since in_pool() is to be as this thread was.
FlushDenormals::~FlushDenormals() {
  if (!outermost_) return;
  outermost = nullptr;
  write(before_);
  if (pool_ == 0) return;
  const Flushing before = before_;
  const AsManyAsAskedFor all;
#pragma omp parallel num_threads(pool_)
  {
    write(before_in_pool.value_or(before));
    before_in_pool.reset();
  }
}

ParallelRegion::ParallelRegion() noexcept : flushing_(read()) {
  const bool pool_as_it_was = outermost != nullptr && outermost->pool_ == 0;
  if (pool_as_it_was) write(outermost->before_);
}

ParallelRegion::~ParallelRegion() {
  write(flushing_);
}

SameFlushing::SameFlushing(const ParallelRegion& region) noexcept : before_(read()) {
  write(region.flushing_);
}

SameFlushing::~SameFlushing() {
  write(before_);
}

}  // namespace lamina::core
