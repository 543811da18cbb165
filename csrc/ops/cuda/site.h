#pragma once
#include <functional>
#include <mutex>
#include <vector>

#include "ops/cuda/engine.h"
#include "runtime/device_context.h"

namespace lamina::ops::cuda {

/// Looks for what kernels had to refuse, once their work is done. Safe to use from several threads.
class Complaints {
 public:
  /// Throws what is wrong.
  using Check = std::function<void()>;
  /// `check` is asked for as long as the result lives.
  [[nodiscard]] std::shared_ptr<Check> add(Check check) {
    auto shared = std::make_shared<Check>(std::move(check));
    const std::lock_guard lock(mutex_);
    checks_.push_back(shared);
    return shared;
  }
  void raise() {
    std::vector<std::shared_ptr<Check>> living;
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(checks_, [](const auto& check) { return check.expired(); });
      for (const auto& check : checks_) {
        if (auto alive = check.lock()) living.push_back(std::move(alive));
      }
    }
    for (const auto& check : living) (*check)();
  }

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<Check>> checks_;
};

/// Where kernels run and what runs them.
struct Site {
  std::shared_ptr<runtime::DeviceContext> context;
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Complaints> complaints;
};

}  // namespace lamina::ops::cuda
