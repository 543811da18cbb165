#include <lamina/callbacks.h>

#include <utility>

namespace lamina::callbacks {
namespace {

/// Calls a function if there is one.
template <class F, class... Arguments>
void call(const F& f, Arguments&&... arguments) {
  if (f) f(std::forward<Arguments>(arguments)...);
}

class LambdaCallbackCallback : public Callback {
 public:
  explicit LambdaCallbackCallback(LambdaCallbackOptions options) : o_(std::move(options)) {}
  std::string class_name() const override { return "LambdaCallback"; }

  void on_train_begin(FitRun& run) override { call(o_.on_train_begin, run); }
  void on_train_end(FitRun& run, const Logs& logs) override { call(o_.on_train_end, run, logs); }
  void on_epoch_begin(FitRun& run, std::int64_t epoch) override {
    call(o_.on_epoch_begin, run, epoch);
  }
  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs& logs) override {
    call(o_.on_epoch_end, run, epoch, logs);
  }
  void on_train_batch_begin(FitRun& run, std::int64_t batch) override {
    call(o_.on_train_batch_begin, run, batch);
  }
  void on_train_batch_end(FitRun& run, std::int64_t batch, const Logs& logs) override {
    call(o_.on_train_batch_end, run, batch, logs);
  }
  void on_test_begin(FitRun& run) override { call(o_.on_test_begin, run); }
  void on_test_end(FitRun& run, const Logs& logs) override { call(o_.on_test_end, run, logs); }

 private:
  LambdaCallbackOptions o_;
};

}  // namespace

CallbackPtr LambdaCallback(LambdaCallbackOptions options) {
  return std::make_shared<LambdaCallbackCallback>(std::move(options));
}

}  // namespace lamina::callbacks
