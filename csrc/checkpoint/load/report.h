#pragma once
#include <string>

#include "checkpoint/load/match.h"

namespace lamina::checkpoint {

/// Everything that did not fit: first Keras's own message, by which users search, then for each
/// object the paths looked for, what was wanted, what was found and what in the file comes nearest.
[[nodiscard]] std::string mismatch_report(const Match& match, const weights::WeightTree& tree,
                                          const Catalog& catalog);

/// One warning for each object that a load with `skip_mismatch` leaves as it is.
[[nodiscard]] std::vector<std::string> skip_warnings(const Match& match,
                                                     const weights::WeightTree& tree,
                                                     const Catalog& catalog);

/// One warning for all groups that nothing asked for; empty when there are none.
[[nodiscard]] std::string unused_warning(const Match& match, const Catalog& catalog);

}  // namespace lamina::checkpoint
