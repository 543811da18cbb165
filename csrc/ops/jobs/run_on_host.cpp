#include "ops/jobs/run_on_host.h"

#include <lamina/error.h>

#include "kernels/executor.h"
#include "ops/jobs/orthogonal_on_host.h"

namespace lamina::ops::jobs {
namespace {

template <class Job>
bool execute_on_host(const Job& job) {
  kernels::HostExecutor executor;
  return kernels::execute(job, executor);
}

}  // namespace

void run_on_host(const kernels::Job& job) {
  const bool defined = std::visit([](const auto& each) { return execute_on_host(each); }, job);
  if (!defined) throw UnsupportedError("A kernel received a dtype that it is not defined for.");
}

}  // namespace lamina::ops::jobs
