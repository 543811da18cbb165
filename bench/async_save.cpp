// How long does a save in the background hold its caller, and what does a repeated save cost beside
// its bytes?
//
//   bench_async_save --directory DIR [--gigabytes 4] [--json FILE]
//
// The floor is what plain writes of the same bytes into one file take, with sync, in the same run.
#include <fcntl.h>
#include <fmt/format.h>
#include <lamina/lamina.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace lamina;
using nlohmann::json;
using std::filesystem::path;

namespace {

double seconds(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What the calling thread itself computes: on a machine with other work too.
double cpu_seconds(const std::function<void()>& action) {
  const auto now = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  };
  const double start = now();
  action();
  return now() - start;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// `layers` times a kernel of `units` x `units` and a bias, of zeros that are really there.
ModelPtr make_model(std::int64_t layers, std::int64_t units) {
  std::vector<LayerRef> stack{layers::InputLayer({.shape = Shape{units}})};
  for (std::int64_t i = 0; i < layers; ++i) {
    stack.emplace_back(layers::Dense({.units = units, .kernel_initializer = "zeros"}));
  }
  auto model = Sequential::create(std::move(stack));
  for (const VariablePtr& variable : model->variables()) {
    Tensor value = Tensor::zeros(variable->shape());
    for (std::size_t i = 0; i < value.nbytes(); i += 512) value.bytes()[i] = std::byte{1};
    variable->assign(std::move(value));
  }
  return model;
}

/// The bytes of the model's variables, in one write each of up to 16 MiB, past the page cache.
double floor_of(const Model& model, const path& file) {
  std::size_t bytes = 0;
  for (const VariablePtr& variable : model.variables()) bytes += variable->nbytes();
  constexpr std::size_t kPart = std::size_t{16} << 20;
  void* memory = nullptr;
  if (::posix_memalign(&memory, 4096, kPart) != 0) throw std::bad_alloc();
  std::fill_n(static_cast<char*>(memory), kPart, 'x');
  const double time = seconds([&] {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT, 0666);
    for (std::size_t at = 0; at < bytes; at += kPart) {
      if (::pwrite(fd, memory, kPart, static_cast<off_t>(at)) < 0)
        throw std::runtime_error("pwrite");
    }
    ::fsync(fd);
    ::close(fd);
  });
  std::free(memory);
  std::filesystem::remove(file);
  return time;
}

json run(const std::string& name, std::int64_t layers, std::int64_t units, const path& directory) {
  const ModelPtr model = make_model(layers, units);
  const double variables = static_cast<double>(model->variables().size());
  const path file = directory / "bench.weights.h5";
  const double first = seconds([&] { model->save_weights(file); });
  std::vector<double> repeated, returns, computing, rest, floors;
  for (int i = 0; i < 7; ++i) {
    ::sync();
    floors.push_back(floor_of(*model, directory / "floor"));
    ::sync();
    repeated.push_back(seconds([&] { model->save_weights(file); }));
    ::sync();
    SaveHandle handle;
    returns.push_back(seconds([&] {
      computing.push_back(cpu_seconds([&] { handle = model->save_weights_async(file); }));
    }));
    rest.push_back(seconds([&] { handle.wait(); }));
  }
  std::filesystem::remove(file);
  const double beside = (median(repeated) - median(floors)) / variables * 1e6;
  fmt::print(
      "{}: first save {:.3f} s, repeated {:.3f} s, raw writes {:.3f} s ({:.2f} us a variable "
      "beside); async returns in {:.2f} ms (longest {:.2f}, computing {:.2f}), the rest takes "
      "{:.3f} s\n",
      name, first, median(repeated), median(floors), beside, median(returns) * 1e3,
      *std::max_element(returns.begin(), returns.end()) * 1e3, median(computing) * 1e3,
      median(rest));
  return {{"variables", variables}, {"first", first}, {"repeated", repeated},  {"returns", returns},
          {"floor", floors},        {"rest", rest},   {"computing", computing}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Times saves in the background."};
  path directory = ".";
  std::string out;
  double gigabytes = 4;
  app.add_option("--directory", directory, "where to write the files");
  app.add_option("--gigabytes", gigabytes, "size of the large model");
  app.add_option("--json", out, "file for the results");
  CLI11_PARSE(app, argc, argv);
  json result;
  result["small"] = run("20,000 variables (64x64 and 64)", 10'000, 64, directory);
  const auto layers = static_cast<std::int64_t>(gigabytes * 16);
  result["large"] =
      run(fmt::format("{} GiB in 64 MiB kernels", gigabytes), layers, 4096, directory);
  if (!out.empty()) std::ofstream(out) << result.dump(2) << "\n";
}
