// How fast are weights saved and loaded, and how does Keras do on the same machine in the same run?
//
//   bench_weights --python .venv/bin/python --json bench/results/weights-NAME.json
//
// For each model Keras goes first (weights_keras.py); Lamina then takes the structure from Keras's
// file, loads it, and saves and loads the same values. Files that are loaded are in the page cache.
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/provide_memory.h"
#include "checkpoint/checkpoint.h"
#include "h5/read/reader.h"
#include "h5/write/layout.h"

using namespace lamina;
using nlohmann::json;
using std::filesystem::path;

namespace {

/// The process's file system, but that nothing is made durable: what Keras promises.
class Unsynced final : public storage::Storage {
 public:
  std::unique_ptr<storage::ReadableFile> open(const path& p) override {
    return storage::posix().open(p);
  }
  std::unique_ptr<storage::WritableFile> create(const path& p) override {
    return std::make_unique<File>(storage::posix().create(p));
  }
  void create_like(const path& a, const path& b) override { storage::posix().create_like(a, b); }
  bool exists(const path& p) override { return storage::posix().exists(p); }
  bool link(const path& a, const path& b) override { return storage::posix().link(a, b); }
  void rename(const path& a, const path& b) override { storage::posix().rename(a, b); }
  bool exchange(const path& a, const path& b) override { return storage::posix().exchange(a, b); }
  void remove(const path& p) override { storage::posix().remove(p); }
  void create_directory(const path& p) override { storage::posix().create_directory(p); }
  void remove_directory(const path& p) override { storage::posix().remove_directory(p); }
  std::vector<std::string> list(const path& p) override { return storage::posix().list(p); }
  std::unique_ptr<storage::Lock> try_lock(const path& p) override {
    return storage::posix().try_lock(p);
  }
  void sync_directory(const path&) override {}
  void sync_parents(const path&) override {}
  bool is_write_protected(const path& p) override { return storage::posix().is_write_protected(p); }

 private:
  struct File final : storage::WritableFile {
    explicit File(std::unique_ptr<storage::WritableFile> file) : inner(std::move(file)) {}
    const storage::Path& path() const override { return inner->path(); }
    void resize(std::uint64_t size) override { inner->resize(size); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      inner->write_at(offset, bytes);
    }
    void sync() override {}
    void close() override { inner->close(); }
    std::unique_ptr<storage::WritableFile> inner;
  };
};

double seconds(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void warm(const path& file) {
  std::vector<char> buffer(std::size_t{1} << 24);
  std::ifstream in(file, std::ios::binary);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()))) {
  }
}

/// The tree that a file was written from, with variables of its own.
weights::WeightTree tree_of(const path& file) {
  const h5::Reader reader(storage::posix().open(file));
  weights::WeightTree tree;
  tree.nodes.push_back({weights::WeightNode::Kind::kLayer, "model", "Model", true, {}, {}});
  for (const h5::VarsGroup* group : reader.groups()) {
    weights::WeightNode node{
        weights::WeightNode::Kind::kLayer, group->name.value_or(""), "Layer", true, {}, {}};
    for (std::size_t i = 0; i < group->datasets.size(); ++i) {
      const std::string key = std::to_string(i);
      const h5::Dataset& dataset = group->datasets.at(key);
      node.variables.push_back(
          {key, std::make_shared<Variable>("v" + key,
                                           Tensor::zeros(dataset.shape, *dataset.type.dtype))});
    }
    if (group->path == "/vars") {
      tree.nodes[0].variables = std::move(node.variables);
      continue;
    }
    const std::string object = group->path.substr(1, group->path.size() - 6);
    tree.nodes[0].edges.push_back({object, tree.nodes.size()});
    tree.nodes.push_back(std::move(node));
  }
  return tree;
}

json run_keras(const std::string& python, const std::string& model, const path& directory,
               int repeats) {
  const std::string script = LAMINA_SOURCE_DIR "/bench/weights_keras.py";
  const std::string command =
      fmt::format("{} {} {} {} {}", python, script, model, directory.string(), repeats);
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  for (char buffer[4096]; std::fgets(buffer, sizeof buffer, pipe) != nullptr;) text += buffer;
  if (::pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
  return json::parse(text);
}

json run_lamina(const std::string& model, const path& directory, int repeats) {
  const path keras_file = directory / (model + "_keras.weights.h5");
  const path file = directory / (model + "_lamina.weights.h5");
  const weights::WeightTree tree = tree_of(keras_file);
  checkpoint::load(tree, keras_file, {});
  Unsynced unsynced;
  std::map<std::string, std::vector<double>> times;
  for (int i = 0; i < repeats; ++i) {
    ::sync();
    times["save_synced"].push_back(seconds([&] { checkpoint::save(tree, file, {}); }));
    ::sync();
    times["save"].push_back(seconds([&] { checkpoint::save(tree, file, {}, unsynced); }));
    ::sync();
    times["load_after_save"].push_back(seconds([&] { checkpoint::load(tree, file, {}); }));
    warm(file);
    warm(keras_file);
    // Which of the two files comes first changes from round to round.
    const auto load = [&](const char* name, const path& which) {
      bench::provide_memory(std::filesystem::file_size(which));
      times[name].push_back(seconds([&] { checkpoint::load(tree, which, {}); }));
    };
    if (i % 2 == 0) load("load_keras_file", keras_file);
    load("load", file);
    if (i % 2 == 1) load("load_keras_file", keras_file);
  }
  return {{"seconds", times}};
}

json run_layout(std::size_t datasets) {
  std::vector<h5::LayoutGroup> groups;
  for (std::size_t i = 0; i < datasets / 2; ++i) {
    groups.push_back({fmt::format("/layers/dense_{}/vars", i),
                      fmt::format("dense_{}", i),
                      true,
                      {{"0", Shape{64, 64}, DType::kFloat32}, {"1", Shape{64}, DType::kFloat32}}});
  }
  const double time = seconds([&] { (void)h5::make_layout(groups); });
  fmt::print("layout of {} datasets in {} layers: {:.3f} s, {:.1f} us a dataset\n", datasets,
             datasets / 2, time, time / static_cast<double>(datasets) * 1e6);
  return {{"datasets", datasets}, {"seconds", time}};
}

void print_row(const char* what, const json& keras, const json& lamina, double bytes) {
  const double k = median(keras), l = median(lamina);
  fmt::print("  {:<44}{:>9.3f} s{:>9.3f} s{:>8.2f} GB/s{:>7.1f}x\n", what, k, l, bytes / l / 1e9,
             k / l);
}

void print_table(const std::string& model, const json& keras, const json& lamina) {
  const json &k = keras["seconds"], &l = lamina["seconds"];
  const double bytes = keras["bytes"];
  fmt::print("{} ({} variables, {:.0f} MB), medians{:>16}{:>11}{:>13}{:>8}\n", model,
             keras["variables"].get<int>(), bytes / 1e6, "Keras", "Lamina", "Lamina", "");
  print_row("save as users call it (only Lamina syncs)", k["save"], l["save_synced"], bytes);
  print_row("save, both on stable storage", k["save_synced"], l["save_synced"], bytes);
  print_row("save, neither synced", k["save"], l["save"], bytes);
  print_row("load, each its own file, cached", k["load"], l["load"], bytes);
  print_row("load Keras's file, cached", k["load"], l["load_keras_file"], bytes);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Times saving and loading of weights against Keras."};
  std::string python = "python3", out;
  path directory = ".";
  int repeats = 5;
  app.add_option("--python", python, "Python that has Keras and JAX");
  app.add_option("--directory", directory, "where to write the files (3 GB each)");
  app.add_option("--repeats", repeats);
  app.add_option("--json", out, "file for the results");
  CLI11_PARSE(app, argc, argv);

  utsname machine{};
  ::uname(&machine);
  json result{{"machine", machine.nodename}, {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)}};
  for (const char* model : {"efficientnetv2l", "dense32x64"}) {
    const json keras = run_keras(python, model, directory, repeats);
    const json lamina = run_lamina(model, directory, repeats);
    print_table(model, keras, lamina);
    result[model] = {{"keras", keras}, {"lamina", lamina}};
    for (const char* who : {"keras", "lamina"}) {
      std::filesystem::remove(directory / fmt::format("{}_{}.weights.h5", model, who));
    }
  }
  result["layout"] = run_layout(20'000);
  if (!out.empty()) std::ofstream(out) << result.dump(2) << "\n";
}
