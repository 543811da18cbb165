#pragma once
#include <memory>

#include "runtime/device_context.h"

namespace lamina::ops {

/// What kernels were asked to do, given to their device as one.
class Replay {
 public:
  Replay(std::shared_ptr<runtime::DeviceContext> context,
         std::unique_ptr<runtime::Recording> recording)
      : context_(std::move(context)), recording_(std::move(recording)) {}
  ~Replay() {
    context_->settle();
    if (!context_->in_its_process()) (void)recording_.release();  // its owner is another process
  }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  void run() {
    context_->compute([&](runtime::Stream& stream) { stream.play(*recording_); });
  }

 private:
  std::shared_ptr<runtime::DeviceContext> context_;
  std::unique_ptr<runtime::Recording> recording_;
};

}  // namespace lamina::ops
