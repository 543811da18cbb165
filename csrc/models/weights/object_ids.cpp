#include "models/weights/object_ids.h"

#include <algorithm>
#include <bit>

namespace lamina::models {

void ObjectIds::reserve(std::size_t objects) {
  objects_.reserve(objects);
  if (slots_.size() < 2 * objects) rehash(std::bit_ceil(2 * objects));
}

std::optional<std::size_t> ObjectIds::find(const void* object) const {
  if (slots_.empty()) return {};
  const std::uint32_t slot = slots_[slot_of(object)];
  return slot == 0 ? std::nullopt : std::optional<std::size_t>(slot - 1);
}

void ObjectIds::grow() {
  constexpr std::size_t kLeast = 16;
  rehash(std::max(kLeast, 2 * slots_.size()));
}

void ObjectIds::rehash(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t i = 0; i < objects_.size(); ++i) {
    slots_[slot_of(objects_[i])] = static_cast<std::uint32_t>(i + 1);
  }
}

}  // namespace lamina::models
