#include "run_in_blocks.h"

#include <lamina/error.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "kernels/executor.cuh"
#include "tests/fresh_seed.h"

namespace lamina::testing {
namespace {

constexpr std::size_t kStackBytes = std::size_t{64} << 10;

/// The threads of one block: each has a stack, and goes on where it waited.
class Block {
 public:
  explicit Block(int threads) : threads_(static_cast<std::size_t>(threads)) {
    for (Thread& thread : threads_) thread.stack.resize(kStackBytes);
  }

  void run(const std::function<void()>& kernel, std::mt19937& random) {
    kernel_ = &kernel;
    failure_ = nullptr;
    for (Thread& thread : threads_) begin(thread);
    std::vector<std::size_t> order(threads_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t running = threads_.size(); running > 0;) {
      std::shuffle(order.begin(), order.end(), random);
      for (const std::size_t i : order) go_on(i);
      const auto ended = std::count_if(threads_.begin(), threads_.end(),
                                       [](const Thread& thread) { return thread.ended; });
      if (failure_) std::rethrow_exception(failure_);
      if (ended != 0 && ended != std::ssize(threads_)) {
        throw std::logic_error("some threads of a block wait for others that have ended");
      }
      running = threads_.size() - static_cast<std::size_t>(ended);
    }
  }
  void wait() { swapcontext(&threads_[at_].context, &back_); }

  static Block*& current() {
    static Block* block = nullptr;
    return block;
  }
  Place place;

 private:
  struct Thread {
    std::vector<char> stack;
    ucontext_t context;
    bool ended = false;
  };

  void begin(Thread& thread) {
    thread.ended = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = &back_;
    makecontext(
        &thread.context, [] { current()->call(); }, 0);
  }
  void go_on(std::size_t i) {
    at_ = i;
    place.thread = dim3(static_cast<unsigned>(i));
    if (!threads_[i].ended) swapcontext(&back_, &threads_[i].context);
  }
  void call() {
    try {
      (*kernel_)();
    } catch (...) {
      failure_ = std::current_exception();
    }
    threads_[at_].ended = true;
  }

  std::vector<Thread> threads_;
  ucontext_t back_{};
  std::size_t at_ = 0;
  const std::function<void()>* kernel_ = nullptr;
  std::exception_ptr failure_;
};

}  // namespace

const Place& place() {
  return Block::current()->place;
}

void barrier() {
  Block::current()->wait();
}

OnlyChecked& only_checked() {
  static OnlyChecked only;
  return only;
}

void run_blocks(dim3 grid, int threads, const std::function<void()>& kernel) {
  static std::mt19937 random(lamina::test::fresh_seed());
  static Block block(threads);
  Block::current() = &block;
  std::vector<dim3> blocks;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) blocks.emplace_back(x, y, z);
    }
  }
  std::shuffle(blocks.begin(), blocks.end(), random);
  block.place.grid = grid;
  for (const dim3& each : blocks) {
    block.place.block = each;
    block.run(kernel, random);
  }
}

}  // namespace lamina::testing

namespace lamina::ops::contract {

namespace {

std::mutex one_at_a_time;

void give(const kernels::Job& job) {
  int status = cudaSuccess;
  const bool defined = std::visit(
      [&](const auto& each) {
        kernels::DeviceExecutor executor{nullptr};
        const bool done = kernels::execute(each, executor);
        status = executor.status;
        return done;
      },
      job);
  if (!defined) throw UnsupportedError("A kernel received a dtype that it is not defined for.");
  if (status != cudaSuccess) throw std::logic_error("CUDA refuses such a grid");
}

}  // namespace

void run_in_blocks(const kernels::Job& job) {
  const std::lock_guard lock(one_at_a_time);
  give(job);
}

int launches_of(const kernels::Job& job) {
  const std::lock_guard lock(one_at_a_time);
  lamina::testing::OnlyChecked& only = lamina::testing::only_checked();
  only = {true, 0};
  try {
    give(job);
  } catch (...) {
    only.now = false;
    throw;
  }
  only.now = false;
  return only.launches;
}

void BlocksEngine::launch(runtime::Stream& stream, const kernels::Job& job) {
  stream.call([job] { run_in_blocks(job); });
}

}  // namespace lamina::ops::contract
