#pragma once
#include <lamina/device.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lamina::bench {

struct Settings {
  Device device = Device::cuda(0);
  std::string model = "EfficientNetV2L";
  std::vector<std::string> precisions{"float32", "TF32", "bfloat16"};
  std::vector<std::int64_t> batches{1, 8, 64};
  double seconds = 3;           ///< of each timed loop, about
  double budget = 3600;         ///< seconds for inference, and for PyTorch's as well
  std::int64_t product = 8192;  ///< rows, columns and depth of the product that sets the peak
  std::size_t copy_bytes = std::size_t{1} << 30;
  std::int64_t dense_units = 8192;  ///< the large model: layers of so many units squared, float32
  std::int64_t dense_layers = 32;   ///< 8 GiB
  std::int64_t train_batch = 64, train_size = 224;
  int rounds = 3;
  std::filesystem::path disk = ".", memory = "/dev/shm";
};

}  // namespace lamina::bench
