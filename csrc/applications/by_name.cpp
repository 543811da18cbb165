#include <lamina/applications.h>
#include <lamina/error.h>

#include <algorithm>
#include <array>

namespace lamina::applications {
namespace {

struct Application {
  std::string_view name;
  std::shared_ptr<Functional> (*make)(Options);
};

// Those of a family beside one another, smallest first.
constexpr auto kApplications = std::to_array<Application>({
    {"VGG16", VGG16},
    {"VGG19", VGG19},
    {"ResNet50", ResNet50},
    {"ResNet101", ResNet101},
    {"ResNet152", ResNet152},
    {"ResNet50V2", ResNet50V2},
    {"ResNet101V2", ResNet101V2},
    {"ResNet152V2", ResNet152V2},
    {"MobileNet", MobileNet},
    {"MobileNetV2", MobileNetV2},
    {"MobileNetV3Small", MobileNetV3Small},
    {"MobileNetV3Large", MobileNetV3Large},
    {"EfficientNetB0", EfficientNetB0},
    {"EfficientNetB1", EfficientNetB1},
    {"EfficientNetB2", EfficientNetB2},
    {"EfficientNetB3", EfficientNetB3},
    {"EfficientNetB4", EfficientNetB4},
    {"EfficientNetB5", EfficientNetB5},
    {"EfficientNetB6", EfficientNetB6},
    {"EfficientNetB7", EfficientNetB7},
    {"EfficientNetV2B0", EfficientNetV2B0},
    {"EfficientNetV2B1", EfficientNetV2B1},
    {"EfficientNetV2B2", EfficientNetV2B2},
    {"EfficientNetV2B3", EfficientNetV2B3},
    {"EfficientNetV2S", EfficientNetV2S},
    {"EfficientNetV2M", EfficientNetV2M},
    {"EfficientNetV2L", EfficientNetV2L},
    {"DenseNet121", DenseNet121},
    {"DenseNet169", DenseNet169},
    {"DenseNet201", DenseNet201},
    {"Xception", Xception},
    {"InceptionV3", InceptionV3},
    {"InceptionResNetV2", InceptionResNetV2},
    {"NASNetMobile", NASNetMobile},
    {"NASNetLarge", NASNetLarge},
    {"ConvNeXtTiny", ConvNeXtTiny},
    {"ConvNeXtSmall", ConvNeXtSmall},
    {"ConvNeXtBase", ConvNeXtBase},
    {"ConvNeXtLarge", ConvNeXtLarge},
    {"ConvNeXtXLarge", ConvNeXtXLarge},
});

}  // namespace

std::shared_ptr<Functional> by_name(std::string_view name, Options options) {
  const auto found = std::ranges::find(kApplications, name, &Application::name);
  if (found != kApplications.end()) return found->make(std::move(options));
  std::string known;
  for (const Application& application : kApplications)
    known += (known.empty() ? "" : ", ") + std::string(application.name);
  throw ValueError("There is no application '" + std::string(name) + "'; there are: " + known +
                   ".");
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> out;
  out.reserve(kApplications.size());
  for (const Application& application : kApplications) out.push_back(application.name);
  return out;
}

}  // namespace lamina::applications
