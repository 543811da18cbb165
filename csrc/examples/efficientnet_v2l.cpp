// The example of Keras's documentation on weights files, from top to bottom: EfficientNetV2L saved
// in one file and in shards of 0.25 GB, each loaded into a new model, and the three predictions
// compared. Files go to the directory given as argument, else to the current one.
#include <lamina/lamina.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace lamina;
namespace fs = std::filesystem;

namespace {

using Seconds = std::chrono::duration<double>;

Seconds timed(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - start;
}

/// A line that counts up to 100 %, as save_weights and load_weights report their bytes. Only a
/// terminal can count in place: elsewhere the line comes once, at the end.
auto progress(std::string what) {
  const bool counts = ::isatty(::fileno(stderr)) != 0;
  return [what = std::move(what), counts, shown = -1](std::uint64_t done,
                                                      std::uint64_t total) mutable {
    const int percent = total == 0 ? 100 : static_cast<int>(done * 100 / total);
    if ((percent / 5 == shown / 5 && shown >= 0) || (!counts && percent < 100)) return;
    shown = percent;
    std::fprintf(stderr, "%s%-34s %3d %%%s", counts ? "\r" : "", what.c_str(), percent,
                 percent == 100 ? "\n" : "");
  };
}

/// The files of a checkpoint: `file` itself, and its shards where it is an index.
std::vector<fs::path> files_of(const fs::path& file) {
  std::vector<fs::path> files = {file};
  if (file.extension() != ".json") return files;
  for (int shard = 0;; ++shard) {
    char name[64];
    std::snprintf(name, sizeof name, "model_%05d.weights.h5", shard);
    if (!fs::exists(file.parent_path() / name)) return files;
    files.push_back(file.parent_path() / name);
  }
}

void print_checkpoint(const fs::path& file, Seconds save, Seconds load) {
  std::uintmax_t bytes = 0;
  for (const fs::path& part : files_of(file)) bytes += fs::file_size(part);
  const double gigabytes = static_cast<double>(bytes) * 1e-9;
  for (const fs::path& part : files_of(file)) {
    std::printf("%-24s %8.1f MB", part.filename().c_str(),
                static_cast<double>(fs::file_size(part)) * 1e-6);
    if (part == file) {
      std::printf("   save %6.2f s %5.2f GB/s   load %6.2f s %5.2f GB/s", save.count(),
                  gigabytes / save.count(), load.count(), gigabytes / load.count());
    }
    std::printf("\n");
  }
}

Tensor random_image() {
  std::mt19937 random(7);
  std::vector<float> pixels(std::size_t{480} * 480 * 3);
  for (float& pixel : pixels) pixel = static_cast<float>(random() % 256);
  return Tensor::from(pixels, {1, 480, 480, 3});
}

bool run(const fs::path& directory) {
  const fs::path single = directory / "model.weights.h5",
                 sharded = directory / "model.weights.json";

  // A model with about 476 MB of weights. Values are made at first use: here, so that they are not
  // counted as time for saving.
  const auto model = applications::EfficientNetV2L();
  for (const VariablePtr& variable : model->variables()) (void)variable->value();
  std::printf("EfficientNetV2L: %lld parameters\n", static_cast<long long>(model->count_params()));

  // Save the weights without sharding, then with shards of at most 0.25 GB (of 1024^3 bytes).
  const Seconds save_single =
      timed([&] { model->save_weights(single, {.progress = progress("save model.weights.h5")}); });
  const Seconds save_sharded = timed([&] {
    model->save_weights(sharded,
                        {.max_shard_size = 0.25, .progress = progress("save model.weights.json")});
  });

  // Load each into a new model of the same architecture.
  const auto from_single = applications::EfficientNetV2L();
  const auto from_sharded = applications::EfficientNetV2L();
  const Seconds load_single = timed(
      [&] { from_single->load_weights(single, {.progress = progress("load model.weights.h5")}); });
  const Seconds load_sharded = timed([&] {
    from_sharded->load_weights(sharded, {.progress = progress("load model.weights.json")});
  });

  // The three models predict the same, to the bit.
  const Tensor image = random_image();
  const Tensor expected = model->predict(image, {.verbose = true});
  const bool equal = bitwise_equal(expected, from_single->predict(image, {.verbose = true})) &&
                     bitwise_equal(expected, from_sharded->predict(image, {.verbose = true}));

  print_checkpoint(single, save_single, load_single);
  print_checkpoint(sharded, save_sharded, load_sharded);
  std::printf("The three predictions %s.\n", equal ? "are equal to the bit" : "DIFFER");
  return equal;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : ".") ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "efficientnet_v2l: %s\n", error.what());
    return 1;
  }
}
