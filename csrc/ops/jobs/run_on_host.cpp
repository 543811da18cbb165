#include "ops/jobs/run_on_host.h"

#include <lamina/error.h>

#include "kernels/executor.h"

namespace lamina::ops::jobs {

void run_on_host(const kernels::Job& job) {
  const bool defined = std::visit(
      [](const auto& each) {
        kernels::HostExecutor executor;
        return kernels::execute(each, executor);
      },
      job);
  if (!defined) throw UnsupportedError("A kernel received a dtype that it is not defined for.");
}

}  // namespace lamina::ops::jobs
