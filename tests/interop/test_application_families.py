"""The smallest model of each family of Keras's applications, every variable random: saved by Keras, loaded by the
function of that name and by what Keras's configuration makes, equal logits; saved by Lamina, loaded by Keras, equal
bits. What all models are made of is in tests/applications."""

import keras
import numpy as np
import pytest

import values
from test_applications import _assert_logits, _images
from test_random_models import assert_same_weights

# Height and width (of which the smallest that the model takes is told apart), and further arguments.
FAMILIES = [
    ("VGG16", (32, 32), {}),
    ("ResNet50", (32, 48), {}),
    ("ResNet50V2", (33, 32), {}),
    ("MobileNet", (64, 96), {"alpha": 0.5, "depth_multiplier": 2, "dropout": 0.2}),
    ("MobileNetV2", (64, 64), {"alpha": 0.35}),
    ("MobileNetV2", (33, 47), {"alpha": 1.4, "include_top": False, "pooling": "avg"}),
    ("MobileNetV3Small", (64, 64), {"dropout_rate": 0.0}),
    ("MobileNetV3Large", (64, 64), {"alpha": 0.75, "minimalistic": True, "include_preprocessing": False}),
    ("EfficientNetB0", (64, 64), {}),
    ("DenseNet121", (32, 32), {}),
    ("Xception", (71, 80), {}),
    ("InceptionV3", (75, 75), {}),
    ("InceptionResNetV2", (75, 75), {}),
    ("NASNetMobile", (64, 96), {}),
    ("ConvNeXtTiny", (64, 64), {}),
    ("ConvNeXtTiny", (32, 96), {"include_preprocessing": False}),
]


# A random signal neither dies out nor saturates at this gain of kernels. The ReLU6 of a wide MobileNetV2 is where it
# saturates: 1.5 makes of 1e-6 of the input 2e-5 of the features, in Keras alone.
GAIN, GAINS = 1.5, {"MobileNetV2": 1.2}


def _randomize(model, rng, gain):
    """Kernels of depthwise convolutions sum over their windows alone, which not all layers' names tell: what two images
    differ in fell to 1e-9 within nine blocks of MobileNet."""
    values.randomize(model, rng, gain=gain)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            spread = gain / np.sqrt(np.prod(layer.kernel_size))
            layer.kernel.assign(rng.normal(0, spread, layer.kernel.shape).astype("float32"))


def _name(family):
    return "-".join([family[0], *(f"{key}={value}" for key, value in family[2].items())])


def _made(family):
    name, size, options = family
    keywords = {"input_shape": (*size, 3), "classes": 10, **options}
    return getattr(keras.applications, name)(weights=None, classifier_activation=None, **keywords)


@pytest.mark.parametrize("family", FAMILIES, ids=_name)
def test_a_family(family, rng, lamina, tmp_path):
    name, size, options = family
    model = _made(family)
    _randomize(model, rng, GAINS.get(name, GAIN))
    model.save_weights(tmp_path / "keras.weights.h5")
    images = _images(rng, max(size), 2)[:, :size[0], :size[1]]
    if not any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers):
        images = images / np.float32(127.5) - 1  # as the callers of such a model do
    lamina.request("clear_session")  # automatic names begin anew, as they did in Keras
    ours = lamina.application(name, input_shape=[*size, 3], classes=10, classifier_activation="linear", **options)
    read = lamina.from_json(model.to_json())
    for loaded in (ours, read):
        loaded.load_weights(tmp_path / "keras.weights.h5")
        logits = _assert_logits(model, loaded, images)
    # The input matters: two images give different logits.
    assert np.abs(logits[0] - logits[1]).max() > 1e-3 * np.abs(logits).max()
    assert ours.predict([images])[0].tobytes() == read.predict([images])[0].tobytes()
    ours.save_weights(tmp_path / "lamina.weights.h5")
    again = _made(family)
    again.load_weights(tmp_path / "lamina.weights.h5")
    assert_same_weights(model, again)
