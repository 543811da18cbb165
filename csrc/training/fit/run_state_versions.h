#pragma once
#include <cstdint>

#include "checkpoint/load/catalog.h"
#include "training/fit/run_state.h"

namespace lamina::training {

/// What a load has to ask for: `variables`, as `encode` makes them of `now`, but for what the
/// file's group `stored` holds as an older version had it. Those that differ are other variables.
[[nodiscard]] StateVariables as_stored(StateVariables variables,
                                       const checkpoint::CatalogGroup& stored, const RunState& now);

/// Makes of such variables, once they have been loaded, what `decode` reads. What an older version
/// does not say is as it is in the run that is at `now`; `optimizer_steps`: as they were loaded.
/// What has the number of no version stays as it is.
void bring_up_to_date(StateVariables& variables, const RunState& now, std::int64_t optimizer_steps);

}  // namespace lamina::training
