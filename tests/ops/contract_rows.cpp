#include "contract_rows.h"

namespace lamina::ops::contract {

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const auto& part : {convolution_rows(), normalization_rows(), pointwise_rows(),
                           movement_rows(), gradient_rows()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace lamina::ops::contract
