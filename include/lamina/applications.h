#pragma once
#include <lamina/layers.h>
#include <lamina/model.h>
#include <lamina/tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Keras's ready-made models, with random weights or trained ones.
namespace lamina::applications {

/// Arguments of the functions of `keras.applications`, with Keras's names and, but for `weights`,
/// Keras's defaults. `input_tensor` is missing.
struct Options {
  /// The classifier, a dense layer (here and there a convolution) named "predictions".
  bool include_top = true;
  /// (height, width, channels), sizes at least the model's smallest; kNone, any size, without a
  /// top only. Default: the model's own size; without a top (kNone, kNone, 3).
  std::optional<Shape> input_shape = {};
  /// Without a top: "avg" or "max" pools to (batch, channels); "" leaves the feature map.
  std::string pooling = {};
  std::int64_t classes = 1000;
  /// Empty: random ones (Keras's None; its default is "imagenet"). "imagenet": those that Keras
  /// publishes, of the file that Keras's own function leaves in `$KERAS_HOME/models`, by default
  /// `~/.keras/models`; Lamina downloads nothing. Else a path of what `load_weights` reads.
  std::string weights = {};
  /// "softmax" gives probabilities, "linear" logits (Keras's None).
  layers::ActivationFunction classifier_activation = "softmax";
  /// EfficientNetV2, ConvNeXt, MobileNetV3, with default true: takes images with values in [0,
  /// 255]; without it the caller scales them.
  std::optional<bool> include_preprocessing = {};
  /// Default: Keras's, "efficientnetv2-b0".
  std::string name = {};
  /// MobileNet, V2 and V3: by how much the numbers of filters are multiplied. Default 1.
  std::optional<double> alpha = {};
  /// MobileNet: channels that a depthwise convolution makes of one. Default 1.
  std::optional<std::int64_t> depth_multiplier = {};
  /// MobileNet: the rate before the classifier. Default 0.001.
  std::optional<double> dropout = {};
  /// MobileNetV3: the rate before the classifier. Default 0.2.
  std::optional<double> dropout_rate = {};
  /// MobileNetV3: without squeeze-and-excite, hard swish and 5x5 kernels. Default false.
  std::optional<bool> minimalistic = {};
};

// Each takes images (batch, height, width, channels) and gives (batch, classes). Building creates
// no values: they are made at first use, or read from a file. Throw ValueError for options that do
// not fit, or that only other models have; with `weights` FileNotFoundError, naming the file and
// where Keras has it from, and what `load_weights` throws.

/// Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
/// 2014. The classifier has two more dense layers, "fc1" and "fc2".
[[nodiscard]] std::shared_ptr<Functional> VGG16(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> VGG19(Options options = {});

/// He et al., "Deep Residual Learning for Image Recognition", 2015.
[[nodiscard]] std::shared_ptr<Functional> ResNet50(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ResNet101(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ResNet152(Options options = {});

/// He et al., "Identity Mappings in Deep Residual Networks", 2016.
[[nodiscard]] std::shared_ptr<Functional> ResNet50V2(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ResNet101V2(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ResNet152V2(Options options = {});

/// Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
/// Applications", 2017. Images in [-1, 1]. The classifier is a convolution, "conv_preds".
[[nodiscard]] std::shared_ptr<Functional> MobileNet(Options options = {});

/// Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018. Images in
/// [-1, 1].
[[nodiscard]] std::shared_ptr<Functional> MobileNetV2(Options options = {});

/// Howard et al., "Searching for MobileNetV3", 2019. Images of any size, with a top too; the
/// classifier is a convolution, "logits".
[[nodiscard]] std::shared_ptr<Functional> MobileNetV3Small(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> MobileNetV3Large(Options options = {});

/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019.
/// Images in [0, 255]. With weights "imagenet" they have one layer more, as Keras's: it divides the
/// normalized channels by the square roots of 0.229, 0.224 and 0.225.
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB0(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB1(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB2(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB3(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB4(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB5(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB6(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetB7(Options options = {});

/// Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", 2021.
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B0(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B1(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B2(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B3(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2S(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2M(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2L(Options options = {});

/// Huang et al., "Densely Connected Convolutional Networks", 2017.
[[nodiscard]] std::shared_ptr<Functional> DenseNet121(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> DenseNet169(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> DenseNet201(Options options = {});

/// Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017.
[[nodiscard]] std::shared_ptr<Functional> Xception(Options options = {});

/// Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
[[nodiscard]] std::shared_ptr<Functional> InceptionV3(Options options = {});

/// Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
/// Learning", 2017.
[[nodiscard]] std::shared_ptr<Functional> InceptionResNetV2(Options options = {});

/// Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017. Of
/// images with values in [-1, 1]. Without a top NASNetLarge needs an `input_shape` all the same:
/// the model that is made for images of any size, by Keras too, fits none. NASNetMobile's is then
/// (224, 224, 3).
[[nodiscard]] std::shared_ptr<Functional> NASNetMobile(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> NASNetLarge(Options options = {});

/// Liu et al., "A ConvNet for the 2020s", 2022. The names of their layers begin with the model's.
[[nodiscard]] std::shared_ptr<Functional> ConvNeXtTiny(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ConvNeXtSmall(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ConvNeXtBase(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ConvNeXtLarge(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> ConvNeXtXLarge(Options options = {});

/// An application by the name of its function, "EfficientNetV2B0". Throws ValueError naming those
/// there are.
[[nodiscard]] std::shared_ptr<Functional> by_name(std::string_view name, Options options = {});
/// The names that `by_name` knows.
[[nodiscard]] std::vector<std::string_view> names();

/// Images with values in [0, 255] as models want them whose weights Keras trained on ImageNet
/// (`keras.applications.imagenet_utils.preprocess_input`). `images`: (batch, height, width,
/// channels) or (height, width, channels), on any device, which stay as they are; the result is
/// there too, with their shape and dtype, float32 for integers and bools.
///
/// | mode    | gives                                       | for weights of                    |
/// |---------|---------------------------------------------|-----------------------------------|
/// | "caffe" | blue, green, red, each less ImageNet's mean | VGG, ResNet                       |
/// | "tf"    | values in [-1, 1]; any number of channels   | ResNetV2, MobileNet, MobileNetV2, |
/// |         |                                             | Xception, InceptionV3, NASNet,    |
/// |         |                                             | InceptionResNetV2                 |
/// | "torch" | of [0, 1], less ImageNet's mean and         | DenseNet                          |
/// |         | divided by its standard deviation           |                                   |
///
/// MobileNetV3, EfficientNet, EfficientNetV2 and ConvNeXt have what they need inside: they take
/// values in [0, 255]. Throws ValueError for an unknown mode, for other than three or four
/// dimensions, and in "caffe" and "torch" for other than three channels, red, green and blue.
[[nodiscard]] Tensor preprocess_input(const Tensor& images, std::string_view mode = "caffe");

/// A class of ImageNet, as WordNet's number and a word for it, and what a model gives for it.
struct ClassScore {
  std::string class_name, class_description;  ///< "n02123045", "tabby"
  double score = 0;
};

/// For each row of `preds`, (batch, 1000) on any device, the `top` classes with the largest scores,
/// the largest first (`keras.applications.imagenet_utils.decode_predictions`). Their names are in
/// imagenet_class_index.json, which Keras's own function leaves in `$KERAS_HOME/models`, by default
/// `~/.keras/models`. Throws ValueError for another shape and a `top` below 1, FileNotFoundError
/// without that file, FormatError for one that is none.
[[nodiscard]] std::vector<std::vector<ClassScore>> decode_predictions(const Tensor& preds,
                                                                      std::int64_t top = 5);

}  // namespace lamina::applications
