#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cuda_runtime_api.h"
#include "fiber.h"
#include "tests/fresh_seed.h"

namespace lamina::testing {
namespace {

constexpr int kMostThreads = 1024, kSeveral = -1;
constexpr std::size_t kMostShared = std::size_t{48} << 10;

std::mt19937& random_order() {
  static std::mt19937 random(lamina::test::fresh_seed());
  return random;
}

std::string text(const dim3& at) {
  return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) +
         ")";
}

/// The block that runs. Its threads go on one after another from one barrier to the next; one that
/// meets no barrier leaves its stack to the next one.
class Block {
 public:
  static Block& current() {
    static Block block;
    return block;
  }

  void run(const Place& where, int threads, const std::function<void()>& kernel) {
    place = where;
    kernel_ = &kernel;
    failure_ = nullptr;
    began = ++phase;
    shared_bytes = 0;
    start_all(threads);
    while (!waiting_.empty() && !failure_) {
      failure_ = disagreement();
      if (!failure_) go_on_all();
    }
    if (!failure_) return;
    abandoned_ = true;
    go_on_all();
    abandoned_ = false;
    std::rethrow_exception(failure_);
  }

  void wait(const char* file, int line) {
    Fiber* const fiber = running_;
    waiting_.push_back({fiber, thread(), file, line});
    fiber->leave();
    if (abandoned_) throw Abandoned();
  }

  [[nodiscard]] int thread() const { return static_cast<int>(place.thread.x); }

  Place place;
  /// Between which barriers it is; no two blocks have a phase in common.
  std::uint64_t phase = 0, began = 0;
  std::size_t shared_bytes = 0;  ///< that the block has written

 private:
  struct Waiting {
    Fiber* fiber;
    int thread;
    const char* file;
    int line;
    [[nodiscard]] std::string where() const { return file + (":" + std::to_string(line)); }
  };
  struct Abandoned {};

  void start_all(int threads) {
    order_.resize(static_cast<std::size_t>(threads));
    std::iota(order_.begin(), order_.end(), 0);
    std::shuffle(order_.begin(), order_.end(), random_order());
    waiting_.clear();
    next_ = ended_ = 0;
    while (next_ < order_.size() && !failure_) {
      if (fibers_.size() == waiting_.size()) {
        fibers_.push_back(std::make_unique<Fiber>([this] { run_threads(); }));
      }
      go_on(fibers_[waiting_.size()].get());
    }
  }
  void go_on_all() {
    ++phase;
    std::vector<Waiting> all = std::exchange(waiting_, {});
    std::shuffle(all.begin(), all.end(), random_order());
    for (const Waiting& each : all) {
      place.thread = dim3(static_cast<unsigned>(each.thread));
      go_on(each.fiber);
    }
  }
  void go_on(Fiber* fiber) {
    running_ = fiber;
    fiber->resume();
  }

  /// What each fiber does: one new thread after another, as long as there are any.
  void run_threads() {
    for (Fiber* const mine = running_;; mine->leave()) {
      while (next_ < order_.size() && !failure_) {
        place.thread = dim3(static_cast<unsigned>(order_[next_++]));
        run_thread();
      }
    }
  }
  void run_thread() {
    try {
      (*kernel_)();
      ++ended_;
    } catch (const Abandoned&) {
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  }

  /// Nothing where all threads of the block wait at one barrier.
  [[nodiscard]] std::exception_ptr disagreement() const {
    const Waiting& first = waiting_.front();
    if (ended_ != 0) {
      return std::make_exception_ptr(std::logic_error(
          "some threads of a block wait at " + first.where() + " for others that have ended"));
    }
    for (const Waiting& each : waiting_) {
      if (each.line == first.line && std::strcmp(each.file, first.file) == 0) continue;
      return std::make_exception_ptr(
          std::logic_error("threads of a block wait at " + first.where() + " and " + each.where()));
    }
    return nullptr;
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Waiting> waiting_;
  std::vector<int> order_;
  std::size_t next_ = 0, ended_ = 0;
  const std::function<void()>* kernel_ = nullptr;
  Fiber* running_ = nullptr;
  std::exception_ptr failure_;
  bool abandoned_ = false;
};

[[noreturn]] void refuse(const std::string& what) {
  const Place& at = place();
  throw std::logic_error("thread " + std::to_string(at.thread.x) + " of block " + text(at.block) +
                         " of " + text(at.grid) + " " + what);
}

}  // namespace

const Place& place() {
  return Block::current().place;
}

void barrier(const char* file, int line) {
  Block::current().wait(file, line);
}

OnlyChecked& only_checked() {
  static OnlyChecked only;
  return only;
}

cudaError_t checked(dim3 grid, int threads) {
  constexpr unsigned kMostAlongX = 0x7fffffff, kMost = 65535;
  const bool legal = grid.x > 0 && grid.x <= kMostAlongX && grid.y > 0 && grid.y <= kMost &&
                     grid.z > 0 && grid.z <= kMost && threads > 0 && threads <= kMostThreads;
  return legal ? cudaSuccess : cudaErrorInvalidConfiguration;
}

std::int64_t drawn_limit(std::int64_t most) {
  if (only_checked().now || random_order()() % 2 == 0) return most;
  return 1 + static_cast<std::int64_t>(random_order()() % 4);
}

void Use::read() {
  const Block& block = Block::current();
  const int me = block.thread();
  if (written_ < block.began) refuse("reads shared memory that none has written");
  if (written_ == block.phase && writer_ != me) {
    refuse("reads shared memory that thread " + std::to_string(writer_) +
           " has written, and no barrier lies between");
  }
  reader_ = read_ == block.phase && reader_ != me ? kSeveral : me;
  read_ = block.phase;
}

void Use::write(std::size_t bytes) {
  Block& block = Block::current();
  const int me = block.thread();
  if (written_ < block.began) block.shared_bytes += bytes;
  if (block.shared_bytes > kMostShared) refuse("writes more shared memory than a block has");
  const bool written = written_ == block.phase && writer_ != me;
  if (written || (read_ == block.phase && reader_ != me)) {
    refuse("writes shared memory that " +
           (!written && reader_ == kSeveral
                ? std::string("several threads have read")
                : "thread " + std::to_string(written ? writer_ : reader_) + " has used") +
           ", and no barrier lies between");
  }
  writer_ = me;
  written_ = block.phase;
}

void run_blocks(dim3 grid, int threads, const std::function<void()>& kernel) {
  std::vector<dim3> blocks;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) blocks.emplace_back(x, y, z);
    }
  }
  std::shuffle(blocks.begin(), blocks.end(), random_order());
  for (const dim3& each : blocks) Block::current().run({{}, each, grid}, threads, kernel);
}

}  // namespace lamina::testing
