#pragma once
#include <lamina/applications.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/child_process.h"
#include "graph/plan.h"
#include "models/run/lowering.h"

// One measurement of Lamina's own: what a child process of bench_predict does.
namespace lamina::bench {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

struct PredictCase {
  std::string model;
  std::int64_t batch = 1;
  std::string weights;  ///< a .weights.h5
  std::string output;   ///< where the first result goes, raw float32
  std::size_t runs = 10;
  double seconds = 10;
  bool realtime = false;
};

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The same numbers as bench/predict_peers.py makes.
inline Tensor images(std::int64_t batch, std::int64_t size) {
  Tensor t = Tensor::empty({batch, size, size, 3});
  std::uint64_t index = 0;
  for (float& v : t.data<float>()) {
    v = static_cast<float>((index++ * 6364136223846793005u + 1442695040888963407u) >> 40 & 255);
  }
  return t;
}

inline std::int64_t image_size(Model& model) {
  return model.inputs().at(0).shape()[1];
}

/// Fresh weights; the moving statistics too, lest normalisation be the identity. What a block adds
/// to its input is made small: else deep models turn a rounding error into another answer, and the
/// engines' outputs could not be compared.
inline void make_weights(const std::string& name, const std::string& path) {
  set_random_seed(7);
  const auto model = applications::by_name(name);
  std::uint64_t state = 1;
  for (const VariablePtr& variable : model->variables()) {
    if (variable->shape().rank() != 1 || variable->name().find("bias") != std::string::npos)
      continue;
    const bool around_zero = variable->name().find("mean") != std::string::npos ||
                             variable->name().find("beta") != std::string::npos;
    const bool adds = variable->path().find("project_bn/gamma") != std::string::npos;
    Tensor value = Tensor::empty(variable->shape());
    for (float& v : value.data<float>()) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const double unit = static_cast<double>(state >> 40) / (1 << 24);
      v = static_cast<float>(around_zero ? unit * 0.2 - 0.1
                                         : (0.9 + unit * 0.2) * (adds ? 0.1 : 1));
    }
    variable->assign(value);
  }
  model->save_weights(path);
}

inline Json measure(const PredictCase& test) {
  if (test.realtime) take_precedence();
  const auto start = Clock::now();
  const auto model = applications::by_name(test.model);
  model->load_weights(test.weights);
  const Tensor input = images(test.batch, image_size(*model));
  model->compile_inference({input.shape()}, {.release_weights = true});
  const double ready = seconds_since(start);
  const PredictOptions options{.batch_size = test.batch};
  const auto first_start = Clock::now();
  const Tensor first = model->predict(input, options);
  const double first_seconds = seconds_since(first_start);
  std::ofstream(test.output, std::ios::binary)
      .write(reinterpret_cast<const char*>(first.raw()),
             static_cast<std::streamsize>(first.nbytes()));
  std::vector<double> times;
  const auto begin = Clock::now();
  while (times.size() < test.runs && (times.size() < 3 || seconds_since(begin) < test.seconds)) {
    const auto run_start = Clock::now();
    (void)model->predict(input, options);
    times.push_back(seconds_since(run_start) * 1e3);
  }
  std::sort(times.begin(), times.end());
  const std::size_t peak = status_bytes("VmHWM:"), file_pages = mapped_file_bytes();
  std::size_t weights = 0;
  for (const VariablePtr& variable : model->variables()) weights += variable->nbytes();
  const graph::Plan plan(models::lower_model(*model, {{input.shape(), input.dtype()}}),
                         ops::make_backend(Device::cpu()));
  const std::size_t middle = times.size() / 2;
  return {{"engine", "lamina"},
          {"model", test.model},
          {"batch", test.batch},
          {"runs", times.size()},
          {"prepare_s", ready},
          {"first_s", first_seconds},
          {"min_ms", times.front()},
          {"max_ms", times.back()},
          {"median_ms",
           times.size() % 2 != 0 ? times[middle] : (times[middle - 1] + times[middle]) / 2},
          {"peak_rss_bytes", peak},
          {"file_pages_bytes", file_pages},
          {"weights_bytes", weights},
          {"input_bytes", input.nbytes()},
          {"arena_bytes", plan.arena_bytes()},
          {"kernels", plan.kernel_count()}};
}

/// Where the time goes, operation by operation.
inline std::string profile(const PredictCase& test, std::size_t rows) {
  const auto model = applications::by_name(test.model);
  if (!test.weights.empty()) model->load_weights(test.weights);
  const Tensor input = images(test.batch, image_size(*model));
  graph::Plan plan(models::lower_model(*model, {{input.shape(), input.dtype()}}),
                   ops::make_backend(Device::cpu()), {.profile = true});
  for (std::size_t i = 0; i <= test.runs; ++i) (void)plan.run({input});
  return graph::profile_table(plan.profile(), rows);
}

}  // namespace lamina::bench
