"""weights="imagenet": a file as Keras publishes them, in the place where Keras keeps it; both libraries find it by
themselves, and give the same."""

import keras
import pytest
from keras.src.utils import file_utils

import values
from lamina_driver import Driver
from test_applications import _assert_logits, _images
from test_legacy_h5 import _weights_file

# EfficientNetB0 has a layer more with these weights.
MODELS = [("MobileNet", "mobilenet_2_5_224_tf_no_top.h5", {"alpha": 0.25}),
          ("EfficientNetB0", "efficientnetb0_notop.h5", {})]


@pytest.mark.parametrize("name,file,options", MODELS, ids=lambda v: v if v in ("MobileNet", "EfficientNetB0") else "")
def test_weights_of_imagenet_are_found(name, file, options, rng, driver_program, monkeypatch, tmp_path):
    options = {"include_top": False, "input_shape": (64, 64, 3), "pooling": "avg", **options}
    published = getattr(keras.applications, name)(weights=None, **options)
    values.randomize(published, rng, gain=1.5)
    (tmp_path / "models").mkdir()
    _weights_file(published, tmp_path / "models" / file)

    def get_file(fname, origin, cache_subdir, **_):  # but for the hash of the published file
        assert origin.startswith("https://")
        return str(tmp_path / cache_subdir / fname)

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    model = getattr(keras.applications, name)(weights="imagenet", **options)
    driver = Driver(driver_program, tmp_path)
    try:
        ours = driver.application(name, weights="imagenet", **options)
        _assert_logits(model, ours, _images(rng, 64, 2))
        assert ("Rescaling" in [type(layer).__name__ for layer in model.layers][2:]) == (name == "EfficientNetB0")
    finally:
        driver.close()
