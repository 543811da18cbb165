#pragma once
#include "kernels/jobs.h"

namespace lamina::ops::jobs {

/// Runs a job here and now. Throws UnsupportedError for a dtype that it is not defined for.
void run_on_host(const kernels::Job& job);

}  // namespace lamina::ops::jobs
