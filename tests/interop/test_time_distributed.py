"""TimeDistributed around layers and models, against Keras: predictions, masks, files and configurations both ways, and
training, where batch normalization within has the statistics of each step by itself."""

import keras
import pytest
from keras import layers

import tolerances
from both_ways import assert_read_back, assert_same_files, assert_same_predictions, pair
from test_fit import compiled_pair, train_both
from test_masks import assert_same_step, padded
from test_random_models import remade
from test_to_json import assert_written

CLASSES = 4


def frames():
    """A small convnet of each frame: layers by themselves, a Functional and a Sequential."""
    x = keras.Input((5, 8, 7, 3))
    y = layers.TimeDistributed(layers.Conv2D(6, 3, activation="relu"))(x)
    y = layers.TimeDistributed(layers.BatchNormalization(momentum=0.8), name="norms")(y)
    image = keras.Input((6, 5, 6))
    z = layers.BatchNormalization(momentum=0.9)(layers.DepthwiseConv2D(3)(image))
    y = layers.TimeDistributed(keras.Model(image, layers.Dropout(0.0)(layers.Activation("silu")(z)), name="inner"))(y)
    y = layers.TimeDistributed(keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(7, activation="tanh")]))(y)
    return keras.Model(x, layers.Dense(CLASSES)(layers.LSTM(6)(y)), name="frames")


def sentences():
    """Words of sentences: the mask goes to the LSTM step by step, and is the output's still."""
    ids = keras.Input((3, 6), dtype="int32")
    x = layers.Embedding(20, 8, mask_zero=True)(ids)
    x = layers.TimeDistributed(layers.LSTM(5))(x)
    return keras.Model(ids, layers.Dense(CLASSES)(layers.Flatten()(layers.TimeDistributed(layers.Dense(6))(x))))


def steps():
    """A mask of steps: of batch normalization's samples, and carried on to the layer behind."""
    x = keras.Input((6, 5))
    y = layers.TimeDistributed(layers.Dense(4))(layers.Masking()(x))
    y = layers.TimeDistributed(layers.BatchNormalization(momentum=0.7))(y)
    return keras.Model(x, layers.Dense(CLASSES)(layers.GRU(5)(y)))


def nested():
    """One within the other, ids as they are, an open number of steps."""
    ids = keras.Input((None, 2, 3), dtype="int32")
    x = layers.TimeDistributed(layers.TimeDistributed(layers.Embedding(20, 4)))(ids)
    x = layers.TimeDistributed(layers.TimeDistributed(layers.Conv1D(5, 2)))(x)
    return keras.Model(ids, layers.TimeDistributed(layers.Dense(CLASSES))(layers.TimeDistributed(layers.Flatten())(x)))


MODELS = [frames, sentences, steps, nested]
pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking")


def given(model, rng, rows=4):
    if len(model.inputs[0].shape) == 3:
        return padded(rng, model, rows)
    shape = (rows, *(5 if size is None else size for size in model.inputs[0].shape[1:]))
    if "int" not in model.inputs[0].dtype:
        return [rng.normal(size=shape).astype("float32")]
    ids = rng.integers(1, 20, shape).astype("int32")
    ids[..., 1:] *= rng.integers(0, 2, ids[..., 1:].shape)
    return [ids]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("make", MODELS)
def test_both_ways(make, policy, rng, lamina, tmp_path):
    keras.config.set_dtype_policy(policy)
    model, ours = pair(make, rng, lamina, tmp_path)
    assert_same_files(model, ours, tmp_path, 2000)
    assert_read_back(model, ours, tmp_path)
    assert_same_predictions(model, ours, given(model, rng), policy)


@pytest.mark.parametrize("make", [frames, steps])
def test_configurations(make, rng, lamina, tmp_path):
    assert_written(remade(make().to_json()), rng, lamina, tmp_path)


@pytest.mark.parametrize("make, tolerance", [(frames, 5e-5), (sentences, 2e-5), (steps, 2e-5)])
def test_gradients_and_statistics(make, tolerance, rng, lamina, tmp_path):
    model, ours = pair(make, rng, lamina, tmp_path)
    assert_same_step(model, ours, given(model, rng, 6), tolerance, rng, tmp_path)


def test_training_stays_together(rng, lamina, tmp_path):
    model, ours = compiled_pair(lambda: remade(steps().to_json()), "Adam", {"learning_rate": 0.02}, rng, lamina, tmp_path)
    x = padded(rng, model, 16 * 30)[0]
    y = (x.sum(axis=(1, 2)) > 0).astype("int32")
    drift, theirs = train_both(model, ours, x, y, 16)
    print(f"drift {drift.max():.1e}, loss {theirs[:5].mean():.3f} -> {theirs[-5:].mean():.3f}")
    assert theirs[-5:].mean() < theirs[:5].mean(), "nothing was learnt"
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())


def test_paths(lamina):
    model = steps()
    assert [path for path, _, _ in lamina.from_json(model.to_json()).weights()] == [v.path for v in model.weights]
