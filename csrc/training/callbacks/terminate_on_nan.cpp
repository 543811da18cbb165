#include <fmt/format.h>
#include <lamina/callbacks.h>
#include <lamina/log.h>

#include <cmath>

#include "training/callbacks/number_text.h"

namespace lamina::callbacks {
namespace {

class TerminateOnNaNCallback : public Callback {
 public:
  explicit TerminateOnNaNCallback(TerminateOnNaNOptions options) : o_(options) {}
  std::string class_name() const override { return "TerminateOnNaN"; }

  void on_train_batch_end(FitRun& run, std::int64_t batch, const Logs& logs) override {
    const auto it = logs.find("loss");
    if (it == logs.end() || std::isfinite(it->second)) return;
    if (o_.raise_error) {
      throw Error(fmt::format(
          "NaN or Inf loss encountered at batch {}. Loss value: {}. Terminating training "
          "immediately.",
          batch, training::number_text(it->second)));
    }
    warn(fmt::format("Batch {}: Invalid loss, terminating training", batch));
    run.abandon_training();
  }

 private:
  TerminateOnNaNOptions o_;
};

}  // namespace

CallbackPtr TerminateOnNaN(TerminateOnNaNOptions options) {
  return std::make_shared<TerminateOnNaNCallback>(options);
}

}  // namespace lamina::callbacks
