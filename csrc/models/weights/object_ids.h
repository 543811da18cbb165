#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace lamina::models {

/// Numbers objects, told apart by their addresses, in the order in which they come: 0, 1, ...
/// Allocates nothing for the single object: models of ten thousand layers are numbered while a
/// save is being called.
class ObjectIds {
 public:
  void reserve(std::size_t objects);
  /// The object's number, and whether it is new.
  std::pair<std::size_t, bool> add(const void* object) {
    if (slots_.size() <= 2 * objects_.size()) grow();
    std::uint32_t& slot = slots_[slot_of(object)];
    if (slot != 0) return {slot - 1, false};
    objects_.push_back(object);
    slot = static_cast<std::uint32_t>(objects_.size());
    return {objects_.size() - 1, true};
  }
  /// Nothing for an object that was not added.
  [[nodiscard]] std::optional<std::size_t> find(const void* object) const;
  [[nodiscard]] std::size_t size() const noexcept { return objects_.size(); }

 private:
  /// Where the object is, or would be.
  [[nodiscard]] std::size_t slot_of(const void* object) const noexcept {
    // The golden ratio's bits: the upper half of the product depends on all of the address.
    const std::uint64_t product =
        reinterpret_cast<std::uintptr_t>(object) * std::uint64_t{0x9E3779B97F4A7C15};
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (product >> 32) & mask;
    while (slots_[at] != 0 && objects_[slots_[at] - 1] != object) at = (at + 1) & mask;
    return at;
  }
  void grow();
  void rehash(std::size_t slots);

  std::vector<const void*> objects_;
  // Open addressing, at most half full; a power of two. A number and one; 0: free.
  std::vector<std::uint32_t> slots_;
};

}  // namespace lamina::models
