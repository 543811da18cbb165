#include "fit.h"

#include <lamina/callbacks.h>
#include <lamina/training.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "callbacks.h"
#include "captured_stderr.h"
#include "numbers.h"
#include "tensor_file.h"

namespace lamina::interop {
namespace {

using nlohmann::json;

std::optional<std::int64_t> integer(const json& given, const char* key) {
  return given.contains(key) ? std::optional(given[key].get<std::int64_t>()) : std::nullopt;
}

json logs_reply(const Logs& logs) {
  json reply;
  for (const auto& [name, value] : logs) reply[name] = number(value);
  return {{"logs", std::move(reply)}};
}

/// A number, or a list of epochs.
ValidationFreq validation_freq(const json& given) {
  const json freq = given.value("validation_freq", json(1));
  if (freq.is_array()) return freq.get<std::vector<std::int64_t>>();
  return freq.get<std::int64_t>();
}

FitOptions numbers_of(const json& given) {
  const std::array verbose = {Verbose::kSilent, Verbose::kBar, Verbose::kLine};
  return {.batch_size = integer(given, "batch_size"),
          .epochs = integer(given, "epochs").value_or(1),
          .verbose = verbose.at(given.value("verbose", std::size_t{0})),
          .validation_split = given.value("validation_split", 0.0),
          .validation_freq = validation_freq(given),
          .validation_batch_size = integer(given, "validation_batch_size"),
          .validation_steps = integer(given, "validation_steps"),
          .shuffle = false,
          .initial_epoch = integer(given, "initial_epoch").value_or(0),
          .steps_per_epoch = integer(given, "steps_per_epoch")};
}

FitOptions options_of(const json& request) {
  FitOptions options = numbers_of(request.at("options"));
  options.sample_weight = sample_weights(request, "sample_weight");
  const json classes = request.value("class_weight", json::object());
  for (const auto& [label, weight] : classes.items()) {
    options.class_weight[std::stoll(label)] = weight.get<double>();
  }
  if (request.contains("validation_x")) {
    options.validation_data =
        DataSet(read_tensors(request["validation_x"]), read_tensors(request["validation_y"]),
                sample_weights(request, "validation_weight"));
  }
  if (request.contains("log_dir")) {
    callbacks::TensorBoardOptions board{.log_dir = request["log_dir"].get<std::string>()};
    if (request.contains("update_freq")) board.update_freq = request["update_freq"];
    options.callbacks.push_back(callbacks::TensorBoard(board));
  }
  const std::vector<CallbackPtr> more = callbacks_of(request.value("callbacks", json::array()));
  options.callbacks.insert(options.callbacks.end(), more.begin(), more.end());
  return options;
}

}  // namespace

json fit(Model& model, const json& request) {
  const FitOptions options = options_of(request);
  std::optional<CapturedStderr> shown;
  if (request.contains("output")) shown.emplace(request["output"].get<std::string>());
  const History run =
      model.fit(read_tensors(request.at("x")), read_tensors(request.at("y")), options);
  json history = json::object();
  for (const auto& [name, values] : run.history) {
    for (const double value : values) history[name].push_back(number(value));
  }
  return {{"history", std::move(history)}, {"epoch", run.epoch}};
}

json evaluate_model(Model& model, const json& request) {
  const EvaluateOptions options{.batch_size = request.at("batch_size").get<std::int64_t>(),
                                .verbose = Verbose::kSilent,
                                .sample_weight = sample_weights(request, "sample_weight"),
                                .steps = integer(request, "steps")};
  return logs_reply(
      model.evaluate(read_tensors(request.at("x")), read_tensors(request.at("y")), options));
}

json train_on_batch(Model& model, const json& request) {
  return logs_reply(model.train_on_batch(read_tensors(request.at("x")),
                                         read_tensors(request.at("y")),
                                         sample_weights(request, "sample_weight")));
}

json test_on_batch(Model& model, const json& request) {
  return logs_reply(model.test_on_batch(read_tensors(request.at("x")),
                                        read_tensors(request.at("y")),
                                        sample_weights(request, "sample_weight")));
}

}  // namespace lamina::interop
