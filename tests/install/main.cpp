#include <lamina/lamina.h>

#include <cstdio>
#include <vector>

using namespace lamina;

int main() {
  // A model with about 476 MB of weights.
  auto model = applications::EfficientNetV2L();

  // One file, then shards of at most 0.25 GB (of 1024^3 bytes) and an index.
  model->save_weights("model.weights.h5");
  model->save_weights("model.weights.json", {.max_shard_size = 0.25});

  // Each goes into a new model of the same architecture.
  auto from_file = applications::EfficientNetV2L();
  from_file->load_weights("model.weights.h5");
  auto from_shards = applications::EfficientNetV2L();
  from_shards->load_weights("model.weights.json");

  // The same predictions, to the bit.
  Tensor x = Tensor::from(std::vector<float>(480 * 480 * 3, 127.5f), {1, 480, 480, 3});
  Tensor y = model->predict(x);
  bool equal = bitwise_equal(y, from_file->predict(x)) && bitwise_equal(y, from_shards->predict(x));
  std::printf("%s, %s\n", y.shape().str().c_str(), equal ? "equal" : "different");
  return equal ? 0 : 1;
}
