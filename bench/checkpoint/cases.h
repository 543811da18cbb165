#pragma once
#include <lamina/lamina.h>

#include <optional>
#include <string>
#include <vector>

namespace lamina::bench {

/// A model to save and load. peers.py makes the same one in Keras, under the same name.
struct Case {
  std::string name;
  std::string what;                      ///< for people
  std::optional<double> max_shard_size;  ///< GiB
  ModelPtr (*make)();
};

[[nodiscard]] const std::vector<Case>& all_cases();
/// ".weights.json" for a sharded one.
[[nodiscard]] std::string file_name(const Case& which, const std::string& writer);

/// Random bytes, so that no layer below can save itself the work; as floats they are below 1.
[[nodiscard]] std::vector<Tensor> random_values(const Model& model);
void assign(const Model& model, const std::vector<Tensor>& values);
[[nodiscard]] std::uint64_t total_bytes(const Model& model);

}  // namespace lamina::bench
