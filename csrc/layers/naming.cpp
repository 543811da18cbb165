#include "layers/naming.h"

#include <mutex>

#include "core/forked_along.h"
#include "core/naming.h"

namespace lamina {
namespace {

struct NameCounters {
  std::mutex mutex;
  core::NameTable names;
};

NameCounters& name_counters() {
  return core::ForkedAlong<NameCounters>::get();
}

}  // namespace

std::string layers::auto_name(std::string_view class_name) {
  NameCounters& counters = name_counters();
  const std::lock_guard lock(counters.mutex);
  return counters.names.unique(core::to_snake_case(class_name));
}

std::string layers::in_words(const Layer& layer) {
  return std::string("Layer '")
      .append(layer.name())
      .append("' (")
      .append(layer.class_name())
      .append(")");
}

void clear_session() {
  NameCounters& counters = name_counters();
  const std::lock_guard lock(counters.mutex);
  counters.names = core::NameTable();
}

}  // namespace lamina
