#include "layers/data_format.h"

#include <lamina/error.h>

#include <string>
#include <vector>

namespace lamina::layers {

void check_data_format(std::string_view data_format) {
  if (data_format != "channels_last" && data_format != kChannelsFirst) {
    throw ValueError(
        "The `data_format` argument must be one of {'channels_first', 'channels_last'}. Received: "
        "data_format=" +
        std::string(data_format));
  }
}

graph::ValueId to_channels_last(graph::Builder& builder, graph::ValueId x) {
  std::vector<std::size_t> perm{0};
  for (std::size_t i = 2; i < builder.shape(x).rank(); ++i) perm.push_back(i);
  perm.push_back(1);
  return builder.transpose(x, std::move(perm));
}

graph::ValueId to_channels_first(graph::Builder& builder, graph::ValueId x) {
  const std::size_t rank = builder.shape(x).rank();
  std::vector<std::size_t> perm{0, rank - 1};
  for (std::size_t i = 1; i + 1 < rank; ++i) perm.push_back(i);
  return builder.transpose(x, std::move(perm));
}

}  // namespace lamina::layers
