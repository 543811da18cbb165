#pragma once
#include <lamina/tensor.h>

#include <memory>
#include <vector>

#include "ops/jobs/job_runner.h"
#include "runtime/upload_stage.h"

namespace lamina::graph {

class InputPlaces;

/// What InputPlaces are to hold, made ready and, where they are on a device, on its way there.
class SentTensors {
 public:
  SentTensors() = default;
  /// Waits for the copies of what nobody has taken.
  ~SentTensors();
  SentTensors(const SentTensors&) = delete;
  SentTensors& operator=(const SentTensors&) = delete;

 private:
  friend class InputPlaces;
  const InputPlaces* places_ = nullptr;
  std::vector<Tensor> tensors_;  ///< the inputs, and those beside them
  std::size_t inputs_ = 0;
  std::shared_ptr<runtime::UploadStage> stage_;  ///< null: nothing is sent
  runtime::UploadStage::Number number_ = 0;
};

/// Where a plan reads its inputs: on the host wherever they are, on a device in memory that is kept
/// for them, always the same, as recordings need it. What is on the device already stays there.
class InputPlaces {
 public:
  /// Inputs are cast to `dtypes`, as many as there are. `stage`: by which they are sent; places of
  /// which one is used at a time may share it.
  InputPlaces(Device device, std::vector<DType> dtypes,
              std::shared_ptr<runtime::UploadStage> stage = {});
  ~InputPlaces();
  InputPlaces(const InputPlaces&) = delete;
  InputPlaces& operator=(const InputPlaces&) = delete;

  /// Puts the inputs there and waits for what comes from the host. Valid until the next call.
  /// Throws ValueError for an undefined tensor, DeviceError.
  const std::vector<Tensor>& put(const std::vector<Tensor>& inputs);
  /// The same in two halves, of which the first may be done while the device computes with what is
  /// there: nothing is waited for, but for room where none were as large before. Tensors `beside`
  /// the inputs go with them, as they are. Only what the stage was given last can be taken.
  [[nodiscard]] std::shared_ptr<SentTensors> send(const std::vector<Tensor>& inputs,
                                                  const std::vector<Tensor>& beside = {});
  /// Whether the second half can be done with it: once.
  [[nodiscard]] bool holds(const SentTensors& sent) const;
  const std::vector<Tensor>& take(const SentTensors& sent);

 private:
  [[nodiscard]] bool on_host() const { return runner_.device() == Device::cpu(); }
  /// Inputs that have their dtypes, but for those on the device, which are cast there.
  [[nodiscard]] std::vector<Tensor> made_ready(const std::vector<Tensor>& inputs) const;
  /// Gives the device all but copies from the host: from which tensors to which.
  struct FromHost {
    std::vector<Tensor> from, to;
  };
  [[nodiscard]] FromHost place(const std::vector<Tensor>& tensors, std::size_t inputs);

  ops::JobRunner runner_;
  std::vector<DType> dtypes_;
  std::shared_ptr<runtime::UploadStage> stage_;
  std::vector<Tensor> places_;
};

}  // namespace lamina::graph
