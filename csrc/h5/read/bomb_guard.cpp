#include "h5/read/bomb_guard.h"

#include <algorithm>

#include "core/readable_size.h"
#include "h5/read/malformed.h"

namespace lamina::h5 {
namespace {

constexpr double kFloor = 4.0 * (1 << 30);
constexpr double kMostExpansion = 1000;

bool expands_too_much(double declared, double stored) {
  return declared > kFloor && declared > kMostExpansion * stored;
}

}  // namespace

std::string BombGuard::check(const Dataset& dataset) {
  const auto declared = static_cast<double>(dataset.nbytes),
             stored = static_cast<double>(dataset.stored);
  if (!expands_too_much(declared, stored)) return {};
  return fmt::format(
      "Not allowed: H5 dataset '{}' declares {} but only {} are stored on disk; refusing to load a "
      "potential decompression/shape bomb.",
      dataset.path, core::readable_size(declared), core::readable_size(stored));
}

void BombGuard::admit(const Dataset& dataset) {
  const auto [path, fresh] = paths_.insert(dataset.path);
  if (!fresh) return;
  const double declared = declared_ + static_cast<double>(dataset.nbytes);
  const bool shared = headers_.contains(dataset.header);
  // What lies under several datasets is still stored once.
  const double stored = std::min(stored_ + (shared ? 0 : static_cast<double>(dataset.stored)),
                                 static_cast<double>(file_size_));
  if (expands_too_much(declared, stored)) {
    paths_.erase(path);
    malformed(
        "Not allowed: H5 datasets up to '{}' declare {} together but only {} are stored on disk; "
        "refusing "
        "to load a potential decompression/shape bomb.",
        dataset.path, core::readable_size(declared), core::readable_size(stored));
  }
  declared_ = declared;
  stored_ = stored;
  headers_.insert(dataset.header);
}

}  // namespace lamina::h5
