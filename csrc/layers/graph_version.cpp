#include "layers/graph_version.h"

#include <atomic>

namespace lamina::layers {
namespace {

std::atomic<std::uint64_t> newest_version{1};

}  // namespace

std::uint64_t next_graph_version() noexcept {
  return ++newest_version;
}

std::uint64_t newest_graph_version() noexcept {
  return newest_version;
}

}  // namespace lamina::layers
