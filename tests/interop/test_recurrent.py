"""Recurrent layers in whole models: their files, archives and configurations both ways, states that go from one layer to
another, and training step by step."""

import keras
import numpy as np
import pytest
from keras import layers, ops, regularizers

import random_models
import tolerances
import values
from both_ways import assert_read_back, assert_same_files, assert_same_predictions, from_archive
from h5_compare import file_differences
from lamina_driver import LaminaError
from test_attention import inputs_of
from test_fit import compiled_pair, train_both
from test_mixed_precision import set_policy
from test_random_models import remade
from test_to_json import assert_written

WORDS, LENGTH, CLASSES = 20, 9, 4


def tagger():
    ids = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(WORDS, 8)(ids)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True, recurrent_regularizer=regularizers.L2(1e-3),
                                         activity_regularizer=regularizers.L2(1e-3)))(x)
    x = layers.GRU(12, return_sequences=True, kernel_regularizer="l2", bias_constraint="max_norm")(x)
    x = layers.GRU(10, reset_after=False, return_sequences=True, go_backwards=True)(x)
    return keras.Model(ids, layers.Dense(CLASSES)(layers.SimpleRNN(8)(x)), name="tagger")


def encoder_and_decoder():
    """Two inputs, one of an open length; states of one layer for others, one shared layer, two outputs of one."""
    source, target = keras.Input((None, 6)), keras.Input((5, 6))
    x, h, c = layers.LSTM(7, return_sequences=True, return_state=True)(source)
    y = layers.LSTM(7, return_sequences=True)(target, initial_state=[h, c])
    shared = layers.GRU(7, return_sequences=True)
    y = shared(sequences=shared(shared(y), initial_state=h), initial_state=c)
    there, back, *states = layers.Bidirectional(layers.GRU(3, return_state=True), merge_mode=None)(y)
    z = layers.Bidirectional(layers.GRU(3, unroll=True), merge_mode="mul")(y, initial_state=states)
    return keras.Model([source, target], [layers.SimpleRNN(4)(x), there, layers.Concatenate()([back, z])])


def cells_on_cells():
    """RNN of one cell and of several, states of one for the other, Bidirectional over them, and cells by themselves."""
    x, v = keras.Input((None, 6)), keras.Input((6,))
    cells = lambda: [layers.LSTMCell(5), layers.GRUCell(4, reset_after=False), layers.SimpleRNNCell(3)]
    y, *states = layers.RNN(cells(), return_sequences=True, return_state=True)(x)
    z = layers.RNN(layers.StackedRNNCells(cells()), go_backwards=True)(
        x, initial_state=[states[0], [states[1]], [states[2]]])
    y = layers.Bidirectional(layers.RNN([layers.GRUCell(4), layers.LSTMCell(3)], return_sequences=True))(y)
    y, h, c = layers.RNN(layers.LSTMCell(5, unit_forget_bias=False, kernel_regularizer="l2"), return_state=True)(y)
    out, (h, c) = layers.LSTMCell(5)(v, states=[h, c])
    out, h = layers.GRUCell(5)(out, states=h)
    stack = layers.StackedRNNCells([layers.SimpleRNNCell(5), layers.LSTMCell(4)])
    out, _ = stack(out, states=[[h], [states[1], states[1]]])
    return keras.Model([x, v], layers.Dense(CLASSES)(layers.Concatenate()([z, y, out])))


def films():
    """Images of steps, in either format and direction, sequences and states that go from one layer to another. Keras
    on JAX takes masks of such sequences with `unroll` alone, whose zeros in front are those of the states."""
    x, seen = keras.Input((4, 7, 6, 2)), keras.Input((4,), dtype="int32")
    y, h, c = layers.ConvLSTM2D(3, (2, 3), strides=(2, 1), padding="same", return_sequences=True, return_state=True,
                                kernel_regularizer="l2", activity_regularizer=regularizers.L2(1e-3))(x)
    masked = layers.ConvLSTM2D(2, 3, padding="same", unroll=True)(y, mask=ops.greater(seen, 3))
    y = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(y, initial_state=[h, c])
    y = layers.Bidirectional(layers.ConvLSTM2D(2, 2, data_format="channels_first", return_sequences=True,
                                               unit_forget_bias=False), merge_mode="sum")(layers.LayerNormalization()(y))
    rows = layers.TimeDistributed(layers.Reshape((-1, 2)))(layers.TimeDistributed(layers.Permute((2, 3, 1)))(y))
    z = layers.ConvLSTM1D(3, 3, dilation_rate=2, go_backwards=True, recurrent_constraint="max_norm")(rows)
    pooled = [layers.GlobalAveragePooling1D()(z), *(layers.GlobalAveragePooling2D()(each) for each in (masked, h))]
    return keras.Model([x, seen], layers.Dense(CLASSES)(layers.Concatenate()(pooled)), name="films")


def scans():
    """Volumes of steps, in either format and direction, sequences and states."""
    x = keras.Input((4, 5, 4, 3, 2))
    y, h, c = layers.ConvLSTM3D(3, (2, 3, 1), strides=(2, 1, 1), padding="same", return_sequences=True,
                                return_state=True, kernel_regularizer="l2")(x)
    y = layers.ConvLSTM3D(3, 2, padding="same", return_sequences=True)(y, initial_state=[h, c])
    y = layers.Bidirectional(layers.ConvLSTM3D(2, 2, data_format="channels_first", padding="same"))(y)
    pooled = [layers.GlobalAveragePooling3D()(y), layers.GlobalAveragePooling3D()(c)]
    return keras.Model(x, layers.Dense(CLASSES)(layers.Concatenate()(pooled)), name="scans")


def readers():
    """Layers that go on, batch after batch, of three sequences, with the states behind the one before."""
    x, film = keras.Input(batch_shape=(3, 4, 6)), keras.Input(batch_shape=(3, 4, 5, 2))
    y = layers.LSTM(5, stateful=True, return_sequences=True)(x)
    y = layers.Bidirectional(layers.GRU(4, stateful=True, return_sequences=True))(y)
    y, *states = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], stateful=True, go_backwards=True,
                            return_sequences=True, return_state=True)(y)
    y = layers.SimpleRNN(3, stateful=True)(y, initial_state=states[1])
    z = layers.GlobalAveragePooling1D()(layers.ConvLSTM1D(2, 3, stateful=True)(film))
    return keras.Model([x, film], layers.Dense(CLASSES)(layers.Concatenate()([y, z])), name="readers")


MODELS = [tagger, encoder_and_decoder, cells_on_cells, films, scans]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("make", MODELS)
def test_both_ways(make, policy, rng, lamina, tmp_path):
    """Keras's archive and weights are read, what Lamina writes is Keras's file, and Keras reads it back."""
    keras.config.set_dtype_policy(policy)
    model, ours = from_archive(make, rng, lamina, tmp_path)
    assert_same_files(model, ours, tmp_path, 3000)
    assert_read_back(model, ours, tmp_path)
    assert_same_predictions(model, ours, inputs_of(model, rng), policy)


@pytest.mark.parametrize("make", MODELS)
def test_paths(make, lamina):
    model = make()
    assert [path for path, _, _ in lamina.from_json(model.to_json()).weights()] == [v.path for v in model.weights]


@pytest.mark.parametrize("make", MODELS)
def test_configurations(make, rng, lamina, tmp_path):
    assert_written(remade(make().to_json()), rng, lamina, tmp_path)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True, "return_sequences": True},
                                     {"use_bias": False, "unroll": True}])
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_predictions_and_states(name, options, rng, lamina, tmp_path):
    """With Keras's defaults, which random options seldom are: each output, and the states behind the last step."""
    x = keras.Input((23, 4))
    model = keras.Model(x, list(getattr(layers, name)(16, return_state=True, **options)(x)))
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = inputs_of(model, rng)
    assert tolerances.worst(ours.predict(inputs), random_models.outputs(model, inputs)) <= 1e-5


def begin_again(model):
    """Keras's `reset_state` fails of the lists in a list that the states of cells on cells are."""
    for layer in model.layers:
        for state in keras.tree.flatten(getattr(layer, "states", None) or []):
            state.assign(np.zeros(state.shape))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_states_go_from_batch_to_batch(policy, rng, lamina, tmp_path):
    """As in Keras's calls: within its compiled functions JAX begins each batch with what states were when they were
    made. States are no weights: neither library's files have them, and each reads the other's."""
    keras.config.set_dtype_policy(policy)
    model, ours = from_archive(readers, rng, lamina, tmp_path)
    assert ([(path.split("/")[-1], shape) for path, shape, _ in ours.weights()]
            == [(v.name, tuple(v.shape)) for v in model.weights])
    distances = []
    for batch in range(5):
        if batch == 3:
            begin_again(model)
            ours.reset_state()
        inputs = inputs_of(model, rng)
        distances.append(tolerances.worst(ours.predict(inputs, 3), [np.asarray(model(inputs))]))
    print(f"distances {policy} {distances}")
    assert max(distances) <= tolerances.MODEL[tolerances.compute_dtype(policy)]
    assert_same_files(model, ours, tmp_path, 3000)
    assert_read_back(model, ours, tmp_path)
    assert_written(remade(model.to_json()), rng, lamina, tmp_path, rows=3)


def test_stateful_training_is_that_of_given_states(rng, lamina, tmp_path):
    """Steps of SGD: Keras's are of a model of the same layers that is given what the batch before left."""
    x, h, c = keras.Input(batch_shape=(3, 4, 6)), keras.Input(batch_shape=(3, 5)), keras.Input(batch_shape=(3, 5))
    ours = keras.Model(x, layers.Dense(2)(layers.LSTM(5, stateful=True)(x)))
    lstm, dense = layers.LSTM(5, return_state=True), layers.Dense(2)
    y, *states = lstm(x, initial_state=[h, c])
    theirs, carrier = keras.Model([x, h, c], dense(y)), keras.Model([x, h, c], states)
    values.randomize(theirs, rng)
    ours.set_weights(theirs.get_weights())
    ours.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(ours.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    ours.compile("SGD:learning_rate=0.1", "MeanSquaredError")
    theirs.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    carried = [np.zeros((3, 5), "float32")] * 2
    data, labels = rng.normal(size=(24, 4, 6)).astype("float32"), rng.normal(size=(24, 2)).astype("float32")
    wanted = []
    for i in range(0, 24, 3):
        inputs = [data[i:i + 3], *carried]
        carried = [np.asarray(state) for state in carrier(inputs)]
        wanted.append(float(theirs.train_on_batch(inputs, labels[i:i + 3])))
    found = [log["loss"] for log in ours.train(data, labels, 3)]
    assert np.allclose(found, wanted, rtol=1e-5)
    after = ours.predict([data[:3]], 3)
    assert tolerances.worst(after, [np.asarray(theirs([data[:3], *carried]))]) <= 1e-5


def test_states_by_their_place(rng, lamina, tmp_path):
    x, h, c = keras.Input((4, 3)), keras.Input((5,)), keras.Input((5,))
    model = keras.Model([x, h, c], layers.GRU(5)(layers.LSTM(5, return_sequences=True)(x, [h, c]), [c]))
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = inputs_of(model, rng)
    theirs = random_models.outputs(model, inputs)
    assert tolerances.worst(ours.predict(inputs), theirs) <= 1e-5
    twin = remade(ours.to_json())
    twin.load_weights(tmp_path / "m.weights.h5")
    assert tolerances.worst(random_models.outputs(twin, inputs), theirs) == 0


def learnable(rng, batch, steps):
    """Sentences, and a class that hangs on their first word and on which half has the largest."""
    x = rng.integers(0, WORDS, (batch * steps, LENGTH)).astype("int32")
    return x, ((x[:, 0] % 2) * 2 + (np.argmax(x, axis=1) > LENGTH // 2)).astype("int64")


@pytest.mark.parametrize("name, options", [("SGD", {"learning_rate": 0.05, "momentum": 0.9}), ("Adam", {"learning_rate": 0.005})])
def test_training_stays_together(name, options, rng, lamina, tmp_path):
    """Steps of a tagger, then its file, optimizer state and all, read by Keras, and on from there."""
    model, ours = compiled_pair(lambda: remade(tagger().to_json()), name, options, rng, lamina, tmp_path)
    x, y = learnable(rng, 16, 60)
    drift, theirs = train_both(model, ours, x, y, 16)
    print(f"{name}: drift {drift.max():.1e}, loss {theirs[:5].mean():.3f} -> {theirs[-5:].mean():.3f}")
    assert theirs[-5:].mean() < theirs[:5].mean(), "nothing was learnt"
    assert drift.max() <= tolerances.TRAINING["float32"], int(drift.argmax())
    ours.save_weights(tmp_path / "ours.weights.h5")
    model.load_weights(tmp_path / "ours.weights.h5")
    model.save_weights(tmp_path / "theirs.weights.h5")
    assert file_differences(tmp_path / "ours.weights.h5", tmp_path / "theirs.weights.h5") == []
    drift, _ = train_both(model, ours, x[:320], y[:320], 16)
    assert drift.max() <= tolerances.TRAINING["float32"]


def test_mixed_precision_stays_near(rng, lamina, tmp_path):
    policy = "mixed_bfloat16"
    set_policy(policy, lamina)
    model, ours = compiled_pair(tagger, "SGD", {"learning_rate": 0.02}, rng, lamina, tmp_path)
    x, y = learnable(rng, 16, 15)
    drift, theirs = train_both(model, ours, x, y, 16)
    print(f"{policy}: drift {drift.max():.1e}, loss {theirs[0]:.3f} -> {theirs[-1]:.3f}")
    assert drift.max() <= 2 * tolerances.TRAINING[policy]


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}])
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"])
def test_dropout_inside_drops_in_training_alone(name, options, rng, lamina, tmp_path):
    step = {"ConvLSTM1D": (6, 2), "ConvLSTM2D": (5, 4, 2), "ConvLSTM3D": (4, 3, 5, 2)}.get(name, (6,))
    x = keras.Input((LENGTH, *step))
    if len(step) > 1:
        options = options | {"kernel_size": 3}
    model = keras.Model(x, getattr(layers, name)(8, **options)(x))
    values.randomize(model, rng)
    model.save_weights(tmp_path / "m.weights.h5")
    ours = lamina.from_json(model.to_json())
    ours.load_weights(tmp_path / "m.weights.h5")
    inputs = inputs_of(model, rng)
    theirs = random_models.outputs(model, inputs)
    assert tolerances.worst(ours.predict(inputs), theirs) <= 1e-5
    outputs, _ = ours.differentiate(inputs, [np.ones_like(theirs[0])])
    assert tolerances.worst(outputs, theirs) > 1e-2


def refused(lamina, output, *inputs):
    with pytest.raises(LaminaError) as caught:
        lamina.from_json(keras.Model(list(inputs), output).to_json())
    assert caught.value.kind == "UnsupportedError"
    return caught.value.message


def test_what_is_lacking_is_refused_by_name(lamina):
    x = keras.Input(batch_shape=(2, 5, 6))
    cell = layers.RNN(layers.LSTMCell(3, activity_regularizer="l2", name="one"), name="cells")
    message = refused(lamina, cell(x), x)
    assert "'cells' (RNN)" in message and "'one' (LSTMCell)" in message


def test_other_batches_of_stateful_layers_are_refused_in_keras_words(lamina):
    x = keras.Input(batch_shape=(2, 5, 6))
    model = keras.Model(x, layers.LSTM(3, stateful=True)(x))
    other = np.zeros((4, 5, 6), "float32")
    with pytest.raises(ValueError) as theirs:
        model.layers[-1](other)
    with pytest.raises(LaminaError) as ours:
        lamina.from_json(model.to_json()).predict([other])
    words = str(theirs.value)[str(theirs.value).index("If an RNN is stateful"):].split("\x1b")[0]
    assert ours.value.message.endswith(words), words
