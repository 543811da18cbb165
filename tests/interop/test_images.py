"""Layers that prepare images and change them at random: where their draws leave no choice, the same images in training
as Keras's; else the same distributions; and whole models that begin with them, both ways."""

import keras
import numpy as np
import pytest
from keras import layers

import random_models
import values
from h5_compare import checkpoint_differences
from layer_options import _affine
from test_random_models import assert_same_weights

SHAPE = (7, 6, 2)


@pytest.fixture(autouse=True)
def true_draws(monkeypatch, rng):
    """Initializers that give zeros (keras_setup) are for variables alone."""
    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        return keras.ops.convert_to_tensor(rng.uniform(minval, maxval, tuple(shape)), dtype or "float32")
    monkeypatch.setattr(keras.src.backend.random, "uniform", uniform)


def _shape(layer):
    return SHAPE if layer.data_format == "channels_last" else (SHAPE[2], *SHAPE[:2])


def _trained(layer, x, lamina):
    """What either library makes of x in training."""
    image = keras.Input(x.shape[1:])
    ours = lamina.from_json(keras.Model(image, layer(image)).to_json())
    theirs = np.asarray(layer(x, training=True))
    (y,), _ = ours.differentiate([x], [np.zeros(theirs.shape, "float32")])
    assert np.array_equal(ours.predict([x])[0], x)
    return y, theirs


def _certain(random):
    """A range of one number."""
    return [random.uniform(-0.9, 0.9)] * 2


CERTAIN = {
    # No smaller than the images along one axis.
    "RandomCrop": lambda random: random.choice([{"height": random.randint(SHAPE[0], 12), "width": random.randint(1, 12)},
                                                {"height": random.randint(1, 12), "width": random.randint(SHAPE[1], 12)}]),
    "RandomTranslation": lambda random: _affine(random) | {
        "height_factor": _certain(random), "width_factor": _certain(random)},
    "RandomRotation": lambda random: _affine(random) | {"factor": _certain(random)},
    "RandomZoom": lambda random: _affine(random) | {
        "height_factor": _certain(random), "width_factor": random.choice([None, _certain(random)])},
    "RandomBrightness": lambda random: {"factor": _certain(random), "value_range": (-2, 1)},
    "RandomContrast": lambda random: {"factor": (0.0, 0.0), "value_range": (-1, 1)},
}


@pytest.mark.parametrize("name", CERTAIN)
def test_without_a_choice(name, draw, rng, lamina):
    for _ in range(6):
        data_format = draw.choice(["channels_last", "channels_first"])
        layer = getattr(layers, name)(**CERTAIN[name](draw), data_format=data_format)
        x = rng.normal(0, 1, (2, *_shape(layer))).astype("float32")
        ours, theirs = _trained(layer, x, lamina)
        assert np.abs(ours - theirs).max() < 1e-4, layer.get_config()


CHANCE = {
    "flip": lambda: layers.RandomFlip("horizontal"),
    "flip both": lambda: layers.RandomFlip(data_format="channels_first"),
    "translation": lambda: layers.RandomTranslation((-0.3, 0.1), 0.4, fill_mode="constant", fill_value=1.0),
    "rotation": lambda: layers.RandomRotation((-0.1, 0.3), fill_mode="nearest"),
    "nearest rotation": lambda: layers.RandomRotation(0.2, interpolation="nearest"),
    "zoom": lambda: layers.RandomZoom(0.4, fill_mode="wrap"),
    "zoom of each axis": lambda: layers.RandomZoom((-0.5, 0.1), (0.0, 0.8)),
    "brightness": lambda: layers.RandomBrightness((-0.2, 0.6), value_range=(-1, 1)),
    "contrast": lambda: layers.RandomContrast(0.7, value_range=(-1, 2)),
    "contrast down": lambda: layers.RandomContrast((0.6, 0.1), value_range=(-1, 2)),
}


@pytest.mark.parametrize("case", CHANCE)
def test_distributions(case, rng, lamina):
    """Of many copies of one image: of each pixel, and of the products of each two in a row, the mean and the spread."""
    count = 3000
    layer = CHANCE[case]()
    x = np.repeat(rng.normal(0, 1, (1, *_shape(layer))).astype("float32"), count, axis=0)
    ours, theirs = (y.reshape(count, -1).astype("float64") for y in _trained(layer, x, lamina))
    for of in (lambda y: y, lambda y: y**2, lambda y: y[:, 1:] * y[:, :-1]):
        a, b = of(ours), of(theirs)
        allowed = 6.5 * np.sqrt((a.var(axis=0) + b.var(axis=0)) / count) + 1e-4
        assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) <= allowed).all(), case


def test_crops_begin_where_they_may(rng, lamina):
    """Of many layers, each of which takes one part of all images, at all places alike."""
    count, shape = 240, (2, 4, 3, 1)
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    windows = [x[:, down:down + 2, across:across + 2] for down in range(3) for across in range(2)]
    image = keras.Input(shape[1:])
    model = keras.Model(image, [layers.RandomCrop(2, 2)(image) for _ in range(count)])
    ours, _ = lamina.from_json(model.to_json()).differentiate([x], [np.zeros((2, 2, 2, 1), "float32")] * count)
    theirs = [np.asarray(layers.RandomCrop(2, 2)(x, training=True)) for _ in range(count)]
    for crops in (ours, theirs):
        found = [sum(np.array_equal(crop, window) for crop in crops) for window in windows]
        assert sum(found) == count and min(found) > count / 6 - 6.5 * np.sqrt(count * 5 / 36), found


def _augmented(draw):
    """A classifier of images of bytes, of any size, which it prepares and changes itself."""
    image = keras.Input((None, None, 3), dtype="uint8")
    x = layers.Resizing(12, 10, crop_to_aspect_ratio=True, antialias=draw.random() < 0.5)(image)
    for layer in draw.sample([
            layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.2, fill_mode="nearest"),
            layers.RandomTranslation(0.1, 0.1, seed=3), layers.RandomContrast(0.2), layers.RandomBrightness(0.1)], 4):
        x = layer(x)
    x = layers.Rescaling(1 / 127.5, offset=-1)(layers.CenterCrop(9, 9)(x))
    x = layers.Conv2D(4, 3, strides=2, activation="silu")(x)
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def test_models_that_begin_with_them(draw, rng, lamina, tmp_path):
    model = _augmented(draw)
    values.randomize(model, rng)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / "theirs.keras")
    ours = lamina.load_archive(tmp_path / "theirs.keras")
    x = rng.integers(0, 256, (5, 20, 15, 3)).astype("uint8")
    y = rng.integers(0, 3, 5)
    assert np.abs(ours.predict([x])[0] - random_models.outputs(model, [x])[0]).max() < 2e-5
    first = [ours.train_on_batch(x, y)["loss"] for _ in range(3)]
    assert np.isfinite(first).all()
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    assert np.abs(ours.predict([x])[0] - random_models.outputs(again, [x])[0]).max() < 2e-5

    folders = [tmp_path / who for who in ("keras", "lamina")]
    for folder, one in zip(folders, (again, ours)):
        folder.mkdir()
        one.save_weights(folder / "m.weights.h5")
    assert checkpoint_differences(*folders) == []
    twin = keras.models.model_from_json(ours.to_json())
    twin.load_weights(folders[1] / "m.weights.h5")
    assert_same_weights(twin, again)


def test_tables_of_categories(rng, lamina):
    """Numbers and indices that a model encodes, with weights of what it counts."""
    number, ids, weights = keras.Input((3,)), keras.Input((4,), dtype="int32"), keras.Input((4,))
    parts = [layers.Flatten()(layers.Discretization([-1.0, 0.0, 0.5], output_mode="one_hot")(number)),
             layers.CategoryEncoding(6, output_mode="count")(ids, count_weights=weights),
             layers.CategoryEncoding(6)(ids)]
    model = keras.Model([number, ids, weights], layers.Concatenate()(parts))
    ours = lamina.from_json(model.to_json())
    x = [rng.normal(size=(5, 3)).astype("float32"), rng.integers(-1, 8, (5, 4)).astype("int32"),
         rng.normal(size=(5, 4)).astype("float32")]
    x[0][0] = [0.5, np.nan, np.inf]
    assert np.allclose(ours.predict(x)[0], random_models.outputs(model, x)[0], atol=1e-6)
    twin = keras.models.model_from_json(ours.to_json())
    assert np.array_equal(random_models.outputs(twin, x)[0], random_models.outputs(model, x)[0])


def test_images_of_bytes_are_rounded_in_their_range(draw, rng, lamina):
    x = rng.choice([0, 255], (3, 9, 8, 2)).astype("uint8")
    for interpolation in ("bilinear", "nearest", "bicubic", "lanczos3"):
        image = keras.Input((9, 8, 2), dtype="uint8")
        layer = layers.Resizing(draw.randint(2, 20), draw.randint(2, 20), interpolation, antialias=draw.random() < 0.5,
                                pad_to_aspect_ratio=draw.random() < 0.5, fill_value=17.0)
        model = keras.Model(image, layer(image))
        ours = lamina.from_json(model.to_json()).predict([x])[0]
        theirs = random_models.outputs(model, [x])[0].astype("float32")
        assert np.array_equal(ours, np.round(ours)) and np.abs(ours - theirs).max() <= 1  # 0.5, or nearly
        assert np.mean(ours != theirs) < 0.2  # where the exact value lies between two integers
