#include "callbacks.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "numbers.h"
#include "training/fit/progress_text.h"

namespace lamina::interop {
namespace {

using nlohmann::json;

void set(std::string& into, const json& value) {
  into = value.get<std::string>();
}
void set(std::int64_t& into, const json& value) {
  into = value.get<std::int64_t>();
}
void set(bool& into, const json& value) {
  into = value.get<int>() != 0;  // verbose=1
}
void set(double& into, const json& value) {
  into = number_of(value);
}
void set(std::filesystem::path& into, const json& value) {
  into = value.get<std::string>();
}
void set(callbacks::Mode& into, const json& value) {
  into = value == "min"   ? callbacks::Mode::kMin
         : value == "max" ? callbacks::Mode::kMax
                          : callbacks::Mode::kAuto;
}
template <class T>
void set(std::vector<T>& into, const json& values) {
  for (const json& value : values) set(into.emplace_back(), value);
}
template <class T>
void set(std::map<std::string, T>& into, const json& values) {
  for (const auto& [name, value] : values.items()) set(into[name], value);
}
template <class T>
void set(std::optional<T>& into, const json& value) {
  set(into.emplace(), value);
}

/// Options by Keras's names; each has to be known.
class Options {
 public:
  explicit Options(json given) : given_(std::move(given)) {}

  template <class T>
  void take(const char* name, T& into) {
    if (!given_.contains(name)) return;
    if (!given_[name].is_null()) set(into, given_[name]);
    given_.erase(name);
  }
  void finish(const std::string& callback) const {
    if (!given_.empty()) {
      throw ValueError("unknown options of " + callback + ": " + given_.dump());
    }
  }

 private:
  json given_;
};

/// Puts other logs of the epoch in the place of those that were measured.
class Script : public Callback {
 public:
  explicit Script(std::map<std::string, std::vector<double>> logs) : logs_(std::move(logs)) {}
  void on_epoch_end(FitRun&, std::int64_t epoch, Logs& logs) override {
    for (const auto& [name, values] : logs_) {
      logs[name] = values.at(static_cast<std::size_t>(epoch));
    }
  }

 private:
  std::map<std::string, std::vector<double>> logs_;
};

CallbackPtr script(Options& options) {
  std::map<std::string, std::vector<double>> logs;
  options.take("logs", logs);
  return std::make_shared<Script>(std::move(logs));
}

/// A run that dies when an epoch begins.
class Crash : public Callback {
 public:
  explicit Crash(std::int64_t epoch) : epoch_(epoch) {}
  void on_epoch_begin(FitRun&, std::int64_t epoch) override {
    if (epoch == epoch_) throw Error("crashed");
  }

 private:
  std::int64_t epoch_;
};

CallbackPtr crash(Options& options) {
  std::int64_t epoch = -1;
  options.take("epoch", epoch);
  return std::make_shared<Crash>(epoch);
}

CallbackPtr terminate_on_nan(Options& options) {
  callbacks::TerminateOnNaNOptions o;
  options.take("raise_error", o.raise_error);
  return callbacks::TerminateOnNaN(o);
}

CallbackPtr backup_and_restore(Options& options) {
  callbacks::BackupAndRestoreOptions o;
  options.take("backup_dir", o.backup_dir);
  options.take("save_freq", o.save_freq);
  options.take("double_checkpoint", o.double_checkpoint);
  options.take("delete_checkpoint", o.delete_checkpoint);
  options.take("asynchronous", o.asynchronous);
  return callbacks::BackupAndRestore(std::move(o));
}

CallbackPtr early_stopping(Options& options) {
  callbacks::EarlyStoppingOptions o;
  options.take("monitor", o.monitor);
  options.take("min_delta", o.min_delta);
  options.take("patience", o.patience);
  options.take("verbose", o.verbose);
  options.take("mode", o.mode);
  options.take("baseline", o.baseline);
  options.take("restore_best_weights", o.restore_best_weights);
  options.take("start_from_epoch", o.start_from_epoch);
  return callbacks::EarlyStopping(o);
}

CallbackPtr reduce_on_plateau(Options& options) {
  callbacks::ReduceLROnPlateauOptions o;
  options.take("monitor", o.monitor);
  options.take("factor", o.factor);
  options.take("patience", o.patience);
  options.take("verbose", o.verbose);
  options.take("mode", o.mode);
  options.take("min_delta", o.min_delta);
  options.take("cooldown", o.cooldown);
  options.take("min_lr", o.min_lr);
  return callbacks::ReduceLROnPlateau(o);
}

CallbackPtr model_checkpoint(Options& options) {
  callbacks::ModelCheckpointOptions o;
  options.take("filepath", o.filepath);
  options.take("monitor", o.monitor);
  options.take("verbose", o.verbose);
  options.take("save_best_only", o.save_best_only);
  options.take("save_weights_only", o.save_weights_only);
  options.take("mode", o.mode);
  options.take("save_freq", o.save_freq);
  options.take("initial_value_threshold", o.initial_value_threshold);
  options.take("max_shard_size", o.save.max_shard_size);
  options.take("asynchronous", o.asynchronous);
  return callbacks::ModelCheckpoint(std::move(o));
}

CallbackPtr scheduler(Options& options) {
  std::vector<double> factors;
  bool verbose = false;
  options.take("factors", factors);
  options.take("verbose", verbose);
  return callbacks::LearningRateScheduler(
      [factors](std::int64_t epoch, double rate) {
        return rate * factors.at(static_cast<std::size_t>(epoch));
      },
      verbose);
}

CallbackPtr swap_ema_weights(Options& options) {
  callbacks::SwapEMAWeightsOptions o;
  options.take("swap_on_epoch", o.swap_on_epoch);
  return callbacks::SwapEMAWeights(o);
}

CallbackPtr csv_logger(Options& options) {
  callbacks::CSVLoggerOptions o;
  options.take("filename", o.filename);
  options.take("separator", o.separator);
  options.take("append", o.append);
  return callbacks::CSVLogger(o);
}

const std::map<std::string, CallbackPtr (*)(Options&)> kCallbacks = {
    {"Script", script},
    {"Crash", crash},
    {"TerminateOnNaN", terminate_on_nan},
    {"BackupAndRestore", backup_and_restore},
    {"EarlyStopping", early_stopping},
    {"ReduceLROnPlateau", reduce_on_plateau},
    {"ModelCheckpoint", model_checkpoint},
    {"LearningRateScheduler", scheduler},
    {"CSVLogger", csv_logger},
    {"SwapEMAWeights", swap_ema_weights},
};

}  // namespace

std::vector<CallbackPtr> callbacks_of(const json& described) {
  std::vector<CallbackPtr> made;
  for (const json& one : described) {
    const auto name = one.at("class").get<std::string>();
    const auto maker = kCallbacks.find(name);
    if (maker == kCallbacks.end()) throw ValueError("unknown callback: " + name);
    Options options(one.at("options"));
    made.push_back(maker->second(options));
    options.finish(name);
  }
  return made;
}

json progress_texts(const json& request) {
  training::ProgressText text(request.at("steps").get<std::int64_t>(),
                              request.at("columns").get<int>());
  json texts = json::array();
  for (const json& state : request.at("states")) {
    const auto done = state.at("done").get<std::int64_t>();
    const auto seconds = state.at("seconds").get<double>();
    const Logs logs = logs_of(state.at("logs"));
    text.add(logs);
    text.step(done, seconds);
    texts.push_back(text.str(done, seconds, logs, state.at("last").get<bool>()));
  }
  return {{"texts", std::move(texts)}};
}

}  // namespace lamina::interop
