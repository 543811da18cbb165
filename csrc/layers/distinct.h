#pragma once
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

namespace lamina::layers {

/// Objects in the order in which they came, each once; null ones are none.
template <class T>
class Distinct {
 public:
  void add(const std::shared_ptr<T>& one) {
    if (one && seen_.insert(one.get()).second) all_.push_back(one);
  }
  void add(const std::vector<std::shared_ptr<T>>& several) {
    for (const std::shared_ptr<T>& one : several) add(one);
  }
  [[nodiscard]] std::vector<std::shared_ptr<T>> take() && { return std::move(all_); }

 private:
  std::vector<std::shared_ptr<T>> all_;
  std::unordered_set<const T*> seen_;
};

}  // namespace lamina::layers
