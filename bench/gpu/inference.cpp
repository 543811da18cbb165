#include <lamina/applications.h>
#include <lamina/devices.h>
#include <lamina/error.h>

#include <algorithm>

#include "bench/checkpoint/numbers.h"
#include "bench/gpu/floors.h"
#include "bench/gpu/measure.h"
#include "graph/plan.h"
#include "graph/profile.h"
#include "models/run/lowering.h"
#include "runtime/devices.h"

namespace lamina::bench {
namespace {

using nlohmann::json;

struct Precision {
  const char *name, *policy;
  Float32Precision float32;
  DType dtype;
};
constexpr Precision kPrecisions[] = {
    {"float32", "float32", Float32Precision::kStrict, DType::kFloat32},
    {"TF32", "float32", Float32Precision::kTf32, DType::kFloat32},
    {"bfloat16", "mixed_bfloat16", Float32Precision::kStrict, DType::kBFloat16}};

std::vector<Precision> wanted(const Settings& settings) {
  std::vector<Precision> out;
  for (const std::string& name : settings.precisions) {
    const auto* const found =
        std::find_if(std::begin(kPrecisions), std::end(kPrecisions),
                     [&](const Precision& each) { return name == each.name; });
    if (found == std::end(kPrecisions)) throw ValueError("There is no precision " + name + ".");
    out.push_back(*found);
  }
  return out;
}

/// In force while it lives, and the defaults again behind it.
class InForce {
 public:
  explicit InForce(const Precision& precision) {
    set_dtype_policy(precision.policy);
    set_float32_precision(precision.float32);
  }
  ~InForce() {
    set_dtype_policy("float32");
    set_float32_precision(Float32Precision::kStrict);
  }
  InForce(const InForce&) = delete;
  InForce& operator=(const InForce&) = delete;
};

/// Numbers that no hardware can take a short cut with.
Tensor pattern(const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape);
  std::uint64_t state = 1;
  for (float& v : out.data<float>()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    v = static_cast<float>(state >> 40) / (1 << 24) - 0.5F;
  }
  return out.cast(dtype);
}

/// A compiled program with its inputs and outputs on the device.
class Runner {
 public:
  Runner(graph::Program program, const std::shared_ptr<ops::Backend>& backend)
      : backend_(backend), plan_(std::move(program), backend) {
    for (const graph::ValueId id : plan_.program().inputs) {
      const ops::TensorSpec& spec = plan_.program().values[id];
      inputs_.push_back(pattern(spec.shape, spec.dtype).to(backend->device()));
    }
    outputs_ = plan_.allocate_outputs();
    for (int warm = 0; warm < 3; ++warm) run(1);
  }
  /// So many runs one behind the other; returns when the last is done.
  void run(int times) {
    for (int i = 0; i < times; ++i) plan_.run_into(inputs_, outputs_);
    backend_->settle();
  }
  /// Of one run among many, and of one that is waited for: medians.
  [[nodiscard]] double flowing(double budget) {
    const double once = bench::seconds([&] { run(1); });
    const int times = std::clamp(static_cast<int>(budget / 5 / once), 1, 200);
    std::vector<double> all;
    for (int round = 0; round < 5; ++round) {
      all.push_back(bench::seconds([&] { run(times); }) / times);
    }
    return median(all);
  }
  [[nodiscard]] double waited_for(double budget) {
    std::vector<double> all;
    for (double spent = 0; all.size() < 3 || (spent < budget && all.size() < 100);) {
      all.push_back(bench::seconds([&] { run(1); }));
      spent += all.back();
    }
    return median(all);
  }
  [[nodiscard]] const graph::Program& program() const { return plan_.program(); }

 private:
  std::shared_ptr<ops::Backend> backend_;
  graph::Plan plan_;
  std::vector<Tensor> inputs_, outputs_;
};

double product_flops(const Settings& settings, DType dtype,
                     const std::shared_ptr<ops::Backend>& backend) {
  const std::int64_t n = settings.product;
  graph::Program program;
  const ops::TensorSpec square{{n, n}, dtype};
  program.inputs = {program.add_value(square)};
  program.outputs = {program.add_value(square)};
  graph::Param kernel;
  kernel.value = [n] { return pattern({n, n}, DType::kFloat32); };
  program.ops.push_back({ops::Dense{.x = square, .y = square},
                         program.inputs,
                         {kernel},
                         program.outputs[0],
                         "product"});
  const double cube = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  return 2 * cube / Runner(std::move(program), backend).flowing(settings.seconds);
}

double copy_bytes_per_second(const Settings& settings) {
  const auto context = runtime::devices().get(settings.device);
  runtime::Runtime& runtime = context->runtime();
  const auto from = runtime.allocate(settings.copy_bytes),
             to = runtime.allocate(settings.copy_bytes);
  const auto stream = runtime.make_stream();
  const std::vector<runtime::Copy> copy{{to->address(), from->address(), settings.copy_bytes}};
  std::vector<double> all;
  for (int i = 0; i < 7; ++i) {
    all.push_back(bench::seconds([&] {
      stream->copy(copy);
      stream->synchronize();
    }));
  }
  return 2 * static_cast<double>(settings.copy_bytes) / median(all);
}

/// A model in one precision, and what the device does in it at its best.
struct Prepared {
  const char* precision;
  std::shared_ptr<ops::Backend> backend;
  ModelPtr model;
  Speeds speeds;
};

Prepared prepare(const Settings& settings, const Precision& precision, double bytes) {
  const InForce policy(precision);
  const auto backend = ops::make_backend(settings.device);
  return {precision.name,
          backend,
          applications::by_name(settings.model),
          {product_flops(settings, precision.dtype, backend), bytes}};
}

json row(const Settings& settings, const Prepared& prepared, std::int64_t batch) {
  Model& model = *prepared.model;
  const Speeds& speeds = prepared.speeds;
  Shape images = model.inputs().at(0).shape();
  images[0] = batch;
  Runner runner(models::lower_model(model, {{images, model.inputs().at(0).dtype()}}),
                prepared.backend);
  const double each = runner.flowing(settings.seconds);
  const double floor = convolution_floor(runner.program(), speeds);
  return {{"engine", "lamina"},
          {"precision", prepared.precision},
          {"batch", batch},
          {"images_per_s", static_cast<double>(batch) / each},
          {"latency_ms", runner.waited_for(settings.seconds) * 1e3},
          {"floor_ms", floor * 1e3},
          {"of_floor", each / floor},
          {"peak_tflops", speeds.flops / 1e12},
          {"device_gb_per_s", speeds.bytes / 1e9}};
}

/// Runs until the fastest of each operation is known well enough.
std::string slowest_operations(const Settings& settings, const Prepared& prepared,
                               std::int64_t batch) {
  Model& model = *prepared.model;
  Shape images = model.inputs().at(0).shape();
  images[0] = batch;
  graph::Plan plan(models::lower_model(model, {{images, model.inputs().at(0).dtype()}}),
                   prepared.backend, {.profile = true});
  std::vector<Tensor> inputs;
  for (const graph::ValueId id : plan.program().inputs) {
    const ops::TensorSpec& spec = plan.program().values[id];
    inputs.push_back(pattern(spec.shape, spec.dtype).to(settings.device));
  }
  std::vector<Tensor> outputs = plan.allocate_outputs();
  for (int run = 0; run < 10; ++run) plan.run_into(inputs, outputs);
  return graph::profile_table(plan.profile(), 25);
}

}  // namespace

json measure_inference(const Settings& settings, const std::function<void(const json&)>& so_far) {
  const auto start = std::chrono::steady_clock::now();
  const auto spent = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const double bytes = copy_bytes_per_second(settings);
  std::vector<Prepared> all;
  for (const Precision& precision : wanted(settings)) {
    all.push_back(prepare(settings, precision, bytes));
  }
  json rows = json::array();
  for (const std::int64_t batch : settings.batches) {
    for (const Prepared& prepared : all) {
      if (spent() > settings.budget) return rows;
      rows.push_back(row(settings, prepared, batch));
      so_far(rows);
    }
  }
  return rows;
}

json measure_operations(const Settings& settings, const std::function<void(const json&)>& so_far) {
  json rows = json::array();
  for (const Precision& precision : wanted(settings)) {
    const Prepared prepared = prepare(settings, precision, 1);
    const std::int64_t batch = settings.batches.back();
    rows.push_back({{"precision", precision.name},
                    {"batch", batch},
                    {"table", slowest_operations(settings, prepared, batch)}});
    so_far(rows);
  }
  return rows;
}

}  // namespace lamina::bench
