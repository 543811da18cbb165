#include "measure.h"

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "bench/provide_memory.h"
#include "checkpoint/save/layout_cache.h"
#include "floors.h"
#include "numbers.h"
#include "peer.h"
#include "storage/posix_remove.h"

namespace lamina::bench {
namespace {

using nlohmann::json;
using std::filesystem::path;

// Of what is compared within a round.
constexpr int kTurns = 3;
constexpr int kColdTurns = 2;

std::vector<path> files_beginning(const path& directory, const std::string& prefix) {
  std::vector<path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with(prefix)) files.push_back(entry.path());
  }
  return files;
}

std::vector<path> weights_of(const Case& which, const path& directory) {
  std::vector<path> files = files_beginning(directory, which.name + "_lamina");
  std::erase_if(files, [](const path& file) { return file.extension() != ".h5"; });
  return files;
}

/// Of the shards, or of the one file, each as long as the others.
std::vector<std::uint64_t> sizes_of_files(const Case& which, std::uint64_t bytes) {
  const double limit = which.max_shard_size.value_or(HUGE_VAL) * 1024 * 1024 * 1024;
  const auto shards = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(static_cast<double>(bytes) / limit)));
  return std::vector<std::uint64_t>(shards, bytes / shards);
}

class Measuring {
 public:
  Measuring(const Case& which, const Settings& settings)
      : which_(which),
        settings_(settings),
        model_(which.make()),
        values_(random_values(*model_)),
        floor_(sizes_of_files(which, total_bytes(*model_))) {
    assign(*model_, values_);
    for (const auto& file : files_beginning(settings.directory, which.name + "_lamina")) {
      std::filesystem::remove(file);
    }
  }

  json run() {
    const std::vector<std::unique_ptr<Peer>> peers = start_peers();
    for (int round = 0; round < settings_.rounds; ++round) {
      save_round(round);
      for (const auto& peer : peers) times_[peer->kind() + "_save"].push_back(peer->time("save"));
      load_round(round);
      for (const auto& peer : peers) times_[peer->kind() + "_load"].push_back(peer->time("load"));
    }
    check();
    json versions;
    for (const auto& peer : peers) versions[peer->kind()] = peer->version();
    remove_files();
    return {{"what", which_.what},
            {"bytes", total_bytes(*model_)},
            {"variables", model_->variables().size()},
            {"peers", versions},
            {"seconds", times_}};
  }

 private:
  [[nodiscard]] path file() const { return settings_.directory / file_name(which_, "lamina"); }
  [[nodiscard]] SaveOptions options() const { return {.max_shard_size = which_.max_shard_size}; }

  std::vector<std::unique_ptr<Peer>> start_peers() {
    json shapes;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const Shape& shape = values_[i].shape();
      shapes["variable" + std::to_string(i)] =
          std::vector<std::int64_t>(shape.begin(), shape.end());
    }
    const path shapes_file = settings_.directory / (which_.name + "_shapes.json");
    std::ofstream(shapes_file) << shapes;
    std::vector<std::unique_ptr<Peer>> peers;
    const auto start = [&](const std::string& python, const char* kind) {
      peers.push_back(
          std::make_unique<Peer>(python, kind, which_.name, settings_.directory, shapes_file));
    };
    if (settings_.with_keras) start(settings_.python, "keras");
    if (!settings_.peers_python.empty() && !which_.max_shard_size) {
      start(settings_.peers_python, "safetensors");
      start(settings_.peers_python, "torch");
    }
    return peers;
  }

  void timed(const std::string& name, const std::function<void()>& action) {
    times_[name].push_back(seconds(action));
  }

  /// A model as if never saved before: neither its names nor its layout are kept from earlier.
  ModelPtr fresh_model() {
    ModelPtr model = which_.make();
    assign(*model, values_);
    checkpoint::layout_cache().clear();
    return model;
  }

  /// A save of what was saved just before, so that what is kept of it is kept: two structures, one
  /// with and one without the seal, of many variables are too much for that.
  void save_again(const std::string& name, const Model& model, bool seal) {
    SaveOptions again = options();
    again.seal = seal;
    model.save_weights(file(), again);
    settle();
    timed(name, [&] { model.save_weights(file(), again); });
    settle();
  }

  void save_round(int round) {
    const ModelPtr fresh = fresh_model();
    settle();
    timed("save_first", [&] { fresh->save_weights(file(), options()); });
    // Several times, for the differences are small. Which one comes first takes turns.
    for (int i = 0; i < kTurns; ++i) {
      raw_write_once();
      const bool sealed_first = (round + i) % 2 == 1;
      save_again(sealed_first ? "save" : "save_unsealed", *fresh, sealed_first);
      save_again(sealed_first ? "save_unsealed" : "save", *fresh, !sealed_first);
    }
    fresh->save_weights(file(), options());
    save_async(*fresh, "async");
    save_async(*fresh_model(), "async_first");
  }

  void raw_write_once() {
    settle();
    times_["raw_write"].push_back(floor_.write(settings_.directory));
    settle();
  }

  void save_async(const Model& model, const std::string& name) {
    SaveHandle handle;
    timed(name + "_returns",
          [&] { handle = model.save_weights_async(file(), {.save = options()}); });
    timed(name + "_rest", [&] { handle.wait(); });
    settle();
  }

  /// Lets the disk come to rest: what is unwritten, and the space of what was removed.
  static void settle() {
    ::sync();
    storage::wait_for_freed_space();
  }

  void load_round(int round) {
    const std::vector<path> files = weights_of(which_, settings_.directory);
    ReadMemory memory(files);
    const auto load = [&](const char* name, bool verify = true) {
      provide_memory(total_bytes(*model_));
      timed(name, [&] { model_->load_weights(file(), {.verify = verify}); });
    };
    const auto raw = [&](const char* name, bool direct) {
      provide_memory(total_bytes(*model_));
      times_[name].push_back(memory.read_fresh(direct));
    };
    warm(files);
    for (int i = 0; i < kTurns; ++i) {
      const bool verified_first = (round + i) % 2 == 1;
      load(verified_first ? "load" : "load_unverified", verified_first);
      load(verified_first ? "load_unverified" : "load", !verified_first);
      raw("raw_read", false);
      times_["raw_read_again"].push_back(memory.read_again(false));
      memory.release();
    }
    for (int i = 0; i < kColdTurns; ++i) {
      const bool verified_first = (round + i) % 2 == 1;
      for (const bool verified : {verified_first, !verified_first}) {
        cool(files);
        load(verified ? "load_cold" : "load_cold_unverified", verified);
      }
      cool(files);
      raw("raw_read_cold", true);
      memory.release();
    }
  }

  /// That what was loaded last is what was saved.
  void check() const {
    const std::vector<VariablePtr> variables = model_->variables();
    for (std::size_t i = 0; i < variables.size(); ++i) {
      const Tensor& loaded = variables[i]->value();
      if (std::memcmp(loaded.raw(), values_[i].raw(), loaded.nbytes()) != 0) {
        throw std::runtime_error("not loaded as saved: " + variables[i]->path());
      }
    }
  }

  void remove_files() const {
    for (const char* suffix : {"_lamina", "_keras", "_shapes", ".safetensors", ".pt"}) {
      for (const path& each : files_beginning(settings_.directory, which_.name + suffix)) {
        std::filesystem::remove(each);
      }
    }
  }

  const Case& which_;
  const Settings& settings_;
  ModelPtr model_;
  std::vector<Tensor> values_;
  WriteMemory floor_;
  std::map<std::string, std::vector<double>> times_;
};

}  // namespace

nlohmann::json measure(const Case& which, const Settings& settings) {
  return Measuring(which, settings).run();
}

}  // namespace lamina::bench
