#include "run_in_blocks.h"

#include <lamina/error.h>

#include <mutex>
#include <stdexcept>

#include "blocks/cuda_runtime_api.h"
#include "kernels/launch.h"

namespace lamina::ops::contract {

namespace {

std::mutex one_at_a_time;

void give(const kernels::Job& job) {
  const int status =
      std::visit([](const auto& each) { return kernels::launch(each, nullptr); }, job);
  if (status == cudaErrorNotSupported) {
    throw UnsupportedError("A kernel received a dtype that it is not defined for.");
  }
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
