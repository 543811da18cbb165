#include "layers/naming.h"

#include <lamina/layer.h>

#include <mutex>

#include "core/naming.h"

namespace lamina {
namespace {

struct NameCounters {
  std::mutex mutex;
  core::NameTable names;
};

NameCounters& name_counters() {
  static NameCounters counters;
  return counters;
}

}  // namespace

std::string layers::auto_name(std::string_view class_name) {
  NameCounters& counters = name_counters();
  const std::lock_guard lock(counters.mutex);
  return counters.names.unique(core::to_snake_case(class_name));
}

void clear_session() {
  NameCounters& counters = name_counters();
  const std::lock_guard lock(counters.mutex);
  counters.names = core::NameTable();
}

}  // namespace lamina
