#include "tensor_file.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace lamina::interop {

Tensor read_tensor(const nlohmann::json& description) {
  const auto path = description.at("path").get<std::string>();
  Tensor tensor = Tensor::empty(Shape(description.at("shape").get<std::vector<std::int64_t>>()),
                                dtype_from_name(description.at("dtype").get<std::string>()));
  std::ifstream file(path, std::ios::binary);
  file.read(static_cast<char*>(tensor.raw()), static_cast<std::streamsize>(tensor.nbytes()));
  if (file.gcount() != static_cast<std::streamsize>(tensor.nbytes())) {
    throw ValueError(path + ": fewer bytes than its shape needs");
  }
  return tensor;
}

std::vector<Tensor> read_tensors(const nlohmann::json& described) {
  if (described.is_object()) return {read_tensor(described)};
  std::vector<Tensor> all;
  for (const nlohmann::json& one : described) all.push_back(read_tensor(one));
  return all;
}

Tensor optional_tensor(const nlohmann::json& request, const char* key) {
  return request.contains(key) ? read_tensor(request[key]) : Tensor();
}

SampleWeights sample_weights(const nlohmann::json& request, const char* key) {
  if (!request.contains(key) || !request[key].is_array()) return optional_tensor(request, key);
  std::vector<Tensor> each;
  for (const nlohmann::json& one : request[key]) {
    each.push_back(one.is_null() ? Tensor() : read_tensor(one));
  }
  return each;
}

nlohmann::json write_tensor(const Tensor& tensor, const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(tensor.raw()), static_cast<std::streamsize>(tensor.nbytes()));
  file.close();
  if (!file) throw ValueError(path.string() + ": cannot be written");
  return {{"path", path.string()},
          {"shape", tensor.shape().dims()},
          {"dtype", std::string(dtype_name(tensor.dtype()))}};
}

}  // namespace lamina::interop
