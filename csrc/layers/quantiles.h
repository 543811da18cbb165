#pragma once
#include <cstdint>
#include <vector>

// Where numbers are divided into bins of about as many each, as Keras finds it: by summaries, which
// are merged as data comes, and in whose float32 the results are Keras's.
namespace lamina::layers {

/// Values of some data, sorted, and how many elements each of them stands for.
struct Summary {
  std::vector<float> values, weights;
};

/// Of about 1 / `epsilon` values, or of all that there are. `epsilon`: above 0.
[[nodiscard]] Summary summary_of(std::vector<float> data, double epsilon);
/// Of the data of both, again of about 1 / `epsilon` values.
[[nodiscard]] Summary merged(const Summary& newer, const Summary& older, double epsilon);
/// What lies between `bins` bins, or fewer where there are fewer values.
[[nodiscard]] std::vector<float> boundaries_of(const Summary& summary, std::int64_t bins);

}  // namespace lamina::layers
