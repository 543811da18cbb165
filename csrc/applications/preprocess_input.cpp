#include <lamina/applications.h>
#include <lamina/error.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

namespace lamina::applications {
namespace {

// (pixel / scale - mean) / deviation, these two for each channel, of the order that is given out.
struct Mode {
  std::string_view name;
  double scale;
  std::array<double, 3> mean, deviation;
  bool colours;  // the channels are red, green and blue
  bool to_bgr;
};

constexpr auto kModes = std::to_array<Mode>({
    {"caffe", 1, {103.939, 116.779, 123.68}, {1, 1, 1}, true, true},
    {"tf", 127.5, {1, 1, 1}, {1, 1, 1}, false, false},
    {"torch", 255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}, true, false},
});

template <class T>
void apply(const Mode& mode, std::size_t channels, std::span<const T> in, std::span<T> out) {
  for (std::size_t pixel = 0; pixel < in.size(); pixel += channels) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const T value = in[pixel + (mode.to_bgr ? channels - 1 - channel : channel)];
      const std::size_t of = mode.colours ? channel : 0;
      out[pixel + channel] = (value / static_cast<T>(mode.scale) - static_cast<T>(mode.mean[of])) /
                             static_cast<T>(mode.deviation[of]);
    }
  }
}

}  // namespace

Tensor preprocess_input(const Tensor& images, std::string_view mode) {
  const auto found = std::ranges::find(kModes, mode, &Mode::name);
  if (found == kModes.end()) {
    throw ValueError("Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode=" +
                     std::string(mode));
  }
  const Shape& shape = images.shape();
  if (!images.defined() || (shape.rank() != 3 && shape.rank() != 4)) {
    throw ValueError(
        "preprocess_input takes one image or a batch of them, of three or four "
        "dimensions; Received: " +
        (images.defined() ? "shape=" + shape.str() : "an undefined tensor"));
  }
  if (found->colours && shape[-1] != 3) {
    throw ValueError("preprocess_input needs three channels for mode=" + std::string(mode) +
                     "; Received: shape=" + shape.str());
  }
  const DType dtype = is_floating(images.dtype()) ? images.dtype() : DType::kFloat32;
  const DType wide = dtype == DType::kFloat64 ? dtype : DType::kFloat32;
  const Tensor in = images.to(Device::cpu()).cast(wide);
  Tensor out = Tensor::empty(shape, wide);
  const auto channels = static_cast<std::size_t>(shape[-1]);
  if (wide == DType::kFloat64) {
    apply<double>(*found, channels, in.data<double>(), out.data<double>());
  } else {
    apply<float>(*found, channels, in.data<float>(), out.data<float>());
  }
  return out.cast(dtype).to(images.device());
}

}  // namespace lamina::applications
