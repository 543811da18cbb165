// Everything that a kernel of ours can be asked to do, as plain values: what to read and write, of
// which dtype and how. Pointers are of the device that runs it.
#pragma once
#include <variant>

#include "kernels/constraints.h"
#include "kernels/draws.h"
#include "kernels/gather.h"
#include "kernels/losses.h"
#include "kernels/movement.h"
#include "kernels/normalization.h"
#include "kernels/orthogonal.h"
#include "kernels/penalties.h"
#include "kernels/pointwise.h"
#include "kernels/reductions.h"
#include "kernels/sorting.h"
#include "kernels/updates.h"
#include "kernels/windows.h"

namespace lamina::kernels {

/// The first argument is nothing, so that the list may begin with a comma.
template <class, class... Jobs>
using JobOf = std::variant<Jobs...>;

// clang-format off
using Job = JobOf<void
#define LAMINA_JOB(Job) , Job
#include "kernels/jobs.def"
>;
// clang-format on

}  // namespace lamina::kernels
