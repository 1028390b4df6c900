"""Sequence models among others: what is saved and exported, layers and callbacks, and whatever is wrong in the data."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rbm
from keras_rbm import RBM, RNNRBM, RTRBM, samplers, units
from keras_rbm.callbacks import FrameLikelihoodMonitor
from keras_rbm.likelihood import frame_log_likelihood
from tests.oracles.sequences import MASKS, random_model, sequences
from tests.support.eager import eager_functions
from tests.support.saving import assert_same_state, config_of, through_disk
from tests.support.statistics import assert_rounded
from tests.support.weights import assert_equal_weights, weights_of

EAGER = {"run_eagerly": True}
X = sequences().astype("float32")
MASK = np.arange(4) < np.array([4, 2, 1, 3, 4, 2])[:, None]

SAVED = {
    "simple": lambda: RNNRBM(2, 3, sampler=samplers.CD(2), seed=3),
    "lstm": lambda: RNNRBM(2, keras.layers.LSTM(3, seed=1), visible="spin", hidden="spin", seed=3),
    "stack": lambda: RNNRBM(2, [keras.layers.GRU(3), keras.layers.SimpleRNN(2)], seed=3, dtype="float64"),
    "cells": lambda: RNNRBM(2, keras.layers.RNN([keras.layers.SimpleRNNCell(3), keras.layers.LSTMCell(2)]), seed=3),
    "options": lambda: RNNRBM(
        2,
        4,
        visible=units.Bernoulli(bias_regularizer="l2"),
        kernel_initializer=keras.initializers.GlorotNormal(seed=1),
        kernel_regularizer=keras.regularizers.L1(0.01),
        kernel_constraint="max_norm",
        name="mine",
    ),
    "rtrbm": lambda: RTRBM(3, sampler=samplers.CD(2), seed=3),
    "half": lambda: RNNRBM(2, 3, seed=3, dtype="mixed_float16"),
}


def data_for(model) -> np.ndarray:
    return 2 * X - 1 if isinstance(model.visible, units.Spin) else X


# --- saving


@pytest.fixture
def eagerly():
    with eager_functions():
        yield


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.few(3)
def test_the_next_step_after_a_reload_is_the_same(kind, tmp_path):
    """Weights, random keys, optimizer and logs, bit for bit; and samples."""
    model = SAVED[kind]()
    x = data_for(model)
    model.compile(keras.optimizers.Adam(0.01), **EAGER)
    model.fit(x, MASK, batch_size=4, shuffle=False, verbose=0)
    loaded = through_disk(model, tmp_path)
    assert type(loaded) is type(model)
    assert config_of(loaded) == config_of(model)
    assert_same_state(model, loaded)
    for machine in (model, loaded):
        machine.reset_metrics()
    for _ in range(2):
        steps = [machine.train_on_batch(x, MASK, return_dict=True) for machine in (model, loaded)]
        assert steps[0] == steps[1]
        assert_same_state(model, loaded)
    np.testing.assert_array_equal(model(x), loaded(x))
    np.testing.assert_array_equal(*(m.generate(3, num_sequences=4, num_steps=2) for m in (model, loaded)))


@pytest.mark.parametrize("kind", SAVED)
def test_a_config_makes_an_equal_model(kind):
    model = SAVED[kind]()
    copy = type(model).from_config(model.get_config())
    assert config_of(copy) == config_of(model)
    for machine in (model, copy):
        machine.build((None, None, 3))
    assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]
    assert not {id(w) for w in copy.weights} & {id(w) for w in model.weights}
    if kind in ("simple", "rtrbm"):  # what a seed rules comes out alike
        for a, b in zip(model.trainable_variables, copy.trainable_variables, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["simple", "stack", "rtrbm"])
def test_weights_alone(kind, tmp_path):
    model, other = SAVED[kind](), SAVED[kind]()
    for seed, machine in enumerate((model, other)):
        machine.build((None, None, 3))
        for variable in machine.trainable_variables:
            variable.assign(np.random.default_rng(seed).normal(size=variable.shape))
    model.rbm.stream.key.assign([7, 9])
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same_state(model, other)
    np.testing.assert_array_equal(other.encode(X), model.encode(X))


def test_a_pretrained_model_comes_back(tmp_path):
    """Whose RBM has an optimizer of its own."""
    model = SAVED["simple"]()
    with eager_functions():
        model.pretrain(X, MASK, epochs=1, recurrent_epochs=1, verbose=0)
    loaded = through_disk(model, tmp_path)
    for a, b in zip(loaded.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [w.name for w in loaded.weights] == [w.name for w in model.weights]


# --- export


@pytest.mark.parametrize("kind", [pytest.param("stack", marks=pytest.mark.slow), "rtrbm"])
def test_endpoints(kind, tmp_path):
    model = random_model(kind, 3, dtype="float32")
    before = [np.array(w) for w in model.weights]
    model.export(tmp_path / "model")
    assert_equal_weights([np.array(w) for w in model.weights], before)
    found = tf.saved_model.load(tmp_path / "model")
    assert set(found.signatures) == {
        *("encode", "generate", "continue", "serving_default"),
        *("start", "gibbs", "gibbs_clamped", "remember"),
    }
    assert_rounded(found.encode(X), model.encode(X))
    (named,) = found.signatures["encode"](v=tf.constant(X[:2, :3])).values()
    assert_rounded(named, model.encode(X[:2, :3]))
    first, second = (np.asarray(found.generate(tf.constant(5), tf.constant(40))) for _ in range(2))
    assert first.shape == second.shape == (40, 5, 3)
    assert set(np.unique(first)) == {0.0, 1.0}
    assert not np.array_equal(first, second)
    more = np.asarray(getattr(found, "continue")(tf.constant(X), tf.constant(7)))
    assert more.shape == (6, 7, 3)
    assert set(np.unique(more)) == {0.0, 1.0}


def test_what_follows_depends_on_what_was_heard(tmp_path):
    """A model that repeats its last frame goes on with the frame that it was given."""
    model = RNNRBM(2, 3, seed=0)
    model.build((None, None, 3))
    recurrent = model.recurrent[0].cell
    for variable, value in (
        (recurrent.kernel, 4 * np.eye(3)),
        (recurrent.recurrent_kernel, np.zeros((3, 3))),
        (recurrent.bias, -2 * np.ones(3)),
        (model.w_uv, 20 * np.eye(3)),
    ):
        variable.assign(value)
    model.export(tmp_path / "model")
    loaded = tf.saved_model.load(tmp_path / "model")
    found = getattr(loaded, "continue")(tf.constant(X), tf.constant(3))
    np.testing.assert_array_equal(found, np.repeat(X[:, -1:], 3, 1))


# --- as a layer


def test_a_mask_comes_from_keras_masking():
    """Frames of a value are skipped as padding."""
    model = random_model(dtype="float32")
    net = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(-1.0), model])
    x = np.where(MASK[..., None], X, -1)
    real = MASK & (X != 0).any(-1) | MASK  # frames of zeros are frames
    found = net.predict(x, verbose=0)
    assert found.shape == (6, 4, 2)
    expected = np.asarray(model.encode(x, real))
    assert_rounded(found[MASK], expected[MASK])
    left = x[:, ::-1]
    assert_rounded(net(left).numpy()[MASK[:, ::-1]], np.asarray(model.encode(left, MASK[:, ::-1]))[MASK[:, ::-1]])
    assert not np.allclose(net(left).numpy(), np.asarray(model.encode(np.maximum(left, 0))))


@pytest.mark.parametrize("kind", ["simple", "rtrbm"])
def test_an_outer_model_learns_without_a_warning(kind, recwarn):
    """And the mask reaches the layers above."""
    model = random_model(kind, dtype="float32")
    net = keras.Sequential([keras.Input((4, 3)), keras.layers.Masking(-1.0), model, keras.layers.LSTM(2)])
    net.compile(keras.optimizers.SGD(0.5), "mse", **EAGER)
    before = [np.array(v) for v in (model.rbm.w_rec, model.hidden.bias, model.w_uh)]
    unused = [np.array(v) for v in (model.visible.bias, model.w_uv)]
    history = net.fit(np.where(MASK[..., None], X, -1), np.ones((6, 2)), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not [w for w in recwarn if "gradients" in str(w.message).lower()]
    after = [np.array(v) for v in (model.rbm.w_rec, model.hidden.bias, model.w_uh)]
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert_equal_weights([np.array(v) for v in (model.visible.bias, model.w_uv)], unused)


def test_predict_gives_means():
    model = random_model(dtype="float32")
    assert_rounded(model.predict(X, batch_size=4, verbose=0), model.encode(X))


@pytest.mark.parametrize("make", [SAVED["half"], lambda: RTRBM(2, seed=3, dtype="mixed_float16")])
def test_half_precision(make):
    """States and fields stay float32; what the layer puts out is half."""
    model = make()
    model.compile(keras.optimizers.SGD(0.1), **EAGER)
    assert np.isfinite(model.fit(X, MASK, epochs=2, verbose=0).history["loss"]).all()
    assert {w.dtype for w in model.trainable_variables} == {"float32"}
    assert model(X).dtype == tf.float16
    assert model.encode(X).dtype == tf.float32
    frames, memory = model.generate(3, num_sequences=4, return_memory=True)
    assert frames.dtype == memory.output.dtype == tf.float32
    whole = type(model).from_config({**model.get_config(), "dtype": "float32"})
    whole.build((None, None, 3))
    for a, b in zip(whole.trainable_variables, model.trainable_variables, strict=True):
        a.assign(b)
    np.testing.assert_allclose(model.encode(X), whole.encode(X), atol=20 * float(np.finfo("float16").eps))


def test_callbacks(tmp_path):
    model = SAVED["simple"]()
    model.compile("adam", **EAGER)
    callbacks = [
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=100.0),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_reconstruction_error", mode="min"),
    ]
    history = model.fit(X, MASK, validation_data=(X, MASK), epochs=5, verbose=0, callbacks=callbacks).history
    assert len(history["loss"]) == 2  # stopped
    assert list((tmp_path / "logs" / "train").iterdir())
    assert isinstance(keras.models.load_model(tmp_path / "best.keras"), RNNRBM)


# --- bad input: the model


@pytest.mark.parametrize("make", [lambda **o: RNNRBM(2, 3, **o), lambda **o: RTRBM(2, **o)], ids=["rnn", "rtrbm"])
@pytest.mark.parametrize("sampler", ["pcd", "fast_pcd", "parallel_tempering", samplers.PCD(num_steps=3)], ids=str)
def test_persistent_chains_are_refused(make, sampler):
    with pytest.raises(ValueError, match=r"a persistent chain would belong to none.*sampler=\w+\. Use samplers\.CD"):
        make(sampler=sampler)


RECURRENT = {
    "bidirectional": (lambda: keras.layers.Bidirectional(keras.layers.LSTM(2)), TypeError, "Received: Bidirectional"),
    "dense": (lambda: keras.layers.Dense(2), TypeError, "SimpleRNN, LSTM, GRU or RNN. Received: Dense"),
    "a cell": (lambda: keras.layers.LSTMCell(2), TypeError, "Received: LSTMCell"),
    "numbers": (lambda: [3, 4], TypeError, "Received: int"),
    "one of two": (lambda: [keras.layers.GRU(2), keras.layers.Dense(2)], TypeError, "Received: Dense"),
    "stateful": (lambda: keras.layers.LSTM(2, stateful=True), ValueError, "go_backwards=False, stateful=True"),
    "backwards": (lambda: keras.layers.GRU(2, go_backwards=True), ValueError, "go_backwards=True, stateful=False"),
    "none": (lambda: [], ValueError, "`recurrent` must name at least one layer. Received: none"),
    "zero": (lambda: 0, ValueError, "`recurrent` must be a positive integer. Received: recurrent=0"),
    "a name": (
        lambda: "lstm",
        TypeError,
        "a number of units, or Keras RNN layers: SimpleRNN, LSTM, GRU or RNN. Received: str",
    ),
    "nothing": (lambda: None, TypeError, "Received: NoneType"),
}


@pytest.mark.parametrize(("recurrent", "error", "message"), RECURRENT.values(), ids=RECURRENT)
def test_bad_recurrences(recurrent, error, message):
    with pytest.raises(error, match=re.escape(message)):
        RNNRBM(2, recurrent())


def test_padding_repeats_the_last_output_whatever_the_layer_was_told():
    layer = keras.layers.LSTM(2, zero_output_for_mask=True, use_cudnn="auto")
    RNNRBM(2, layer)
    assert not layer.zero_output_for_mask
    assert not layer.use_cudnn


def test_listening_to_what_is_no_state():
    with pytest.raises(ValueError, match=r"Bernoulli units need values in \[0, 1\]. Received: min=0, max=255"):
        random_model(dtype="float32").memory_after(255 * X)


def test_bad_models():
    with pytest.raises(
        ValueError, match=r"The recurrence of an RTRBM is that of its hidden units. Received: recurrent"
    ):
        RTRBM(2, recurrent=3)
    with pytest.raises(ValueError, match=r"`units` must be a positive integer. Received: units=0"):
        RNNRBM(0)
    with pytest.raises(ValueError, match="no partition function unless the weights stay small"):
        RNNRBM(2, 3, visible="gaussian", hidden="gaussian")
    with pytest.raises(ValueError, match=r"`seed` must be an integer.*seed=1\.5"):
        RNNRBM(2, 3, seed=1.5)


# --- bad input: data


def changed(place, value) -> np.ndarray:
    x = X.copy()
    x[place] = value
    return x


def mask_with(value) -> np.ndarray:
    mask = MASK.astype("float32")
    mask[0, 0] = value
    return mask


BAD = {
    "single frames": (X[0], None, r"Sequences must have shape \(batch, time, 3\).*shape=\(4, 3\).*subsequences"),
    "rank 4": (X[..., None], None, r"\(batch, time, 3\).*shape=\(6, 4, 3, 1\)"),
    "wide": (np.zeros((6, 4, 5)), None, r"\(batch, time, 3\).*shape=\(6, 4, 5\)"),
    "no columns": (np.zeros((6, 4, 0)), None, r"\(batch, time, 3\).*\(6, 4, 0\)"),
    "no sequences": (X[:0], None, r"at least one sequence of one frame. Received: shape=\(0, 4, 3\)"),
    "no frames": (X[:, :0], None, r"at least one sequence of one frame. Received: shape=\(6, 0, 3\)"),
    "ragged": ([X[0], X[1, :2]], None, r"Sequences must be one array.*subsequences"),
    "NaN": (changed((2, 0, 1), np.nan), MASK, r"Bernoulli units need values in \[0, 1\].*NaN"),
    "pixels": (X * 255, None, r"\[0, 1\].*max=255.*Divide pixels by 255"),
    "one value": (changed((0, 3, 1), -0.5), MASK, r"min=-0\.5"),
    "a mask of another length": (X, MASK[:, :3], r"A mask must have shape.*\(6, 4\).*shape=\(6, 3\)"),
    "a mask of more": (X, np.ones((7, 4)), r"\(6, 4\).*shape=\(7, 4\)"),
    "a mask of one number": (X, MASK[:, 0], r"\(6, 4\).*shape=\(6,\)"),
    "a mask of frames' width": (X, np.ones((6, 4, 1)), r"\(6, 4\).*shape=\(6, 4, 1\)"),
    "a mask of lengths": (X, mask_with(4), r"A mask must be booleans. Received: dtype=float32, min=0\.0, max=4\.0"),
    "a mask with NaN": (X, mask_with(np.nan), "A mask must be booleans. Received"),
    "a mask without": (
        X,
        MASK & (np.arange(6) != 4)[:, None],
        r"Each sequence must have a frame.*in row 4 of 6. Leave such sequences out",
    ),
}


@pytest.mark.parametrize(("x", "mask", "message"), BAD.values(), ids=BAD)
def test_bad_sequences(x, mask, message):
    model = random_model(dtype="float32")
    model.compile("sgd", **EAGER)
    before = weights_of(model)
    uses = [
        lambda: model.fit(x, mask, verbose=0),
        lambda: model.fit(x, mask=mask, verbose=0),
        lambda: model.fit(X, validation_data=(x, mask), verbose=0),
        lambda: model.evaluate(x, mask, verbose=0),
        lambda: model.train_on_batch(x, mask),
        lambda: model.test_on_batch(x, mask=mask),
        lambda: model.pretrain(x, mask, verbose=0),
        lambda: keras_rbm.likelihood.frame_log_likelihood(model, x, mask, verbose=0),
    ]
    if not isinstance(x, list) and x.shape[:1] != (0,):
        batches = tf.data.Dataset.from_tensors(x if mask is None else (x, mask))
        uses.append(lambda: model.fit(batches, verbose=0))
    for use in uses:
        with pytest.raises(ValueError, match=message):
            use()
    assert_equal_weights(weights_of(model), before)
    assert model.optimizer.iterations == 0


def test_what_is_no_numbers():
    model = random_model(dtype="float32")
    model.compile("sgd", **EAGER)
    with pytest.raises(
        TypeError, match=r"Sequences must be an array of numbers. Received: dtype=<U1, shape=\(1, 1, 1\)"
    ):
        model.fit([[["a"]]], verbose=0)
    with pytest.raises(TypeError, match=r"Data must be an array, a tf.data.Dataset"):
        model.fit(3, verbose=0)


@pytest.mark.parametrize("weights", [np.ones(5), np.ones((6, 4)), np.full(6, -1.0), np.zeros(6), np.full(6, np.nan)])
def test_bad_sample_weights(weights):
    model = random_model(dtype="float32")
    model.compile("sgd", **EAGER)
    with pytest.raises(ValueError, match="`sample_weight` must"):
        model.fit(X, MASK, sample_weight=weights, verbose=0)


FAULTS = {
    "NaN": ((changed((0, 0, 0), np.nan), MASK), r"Bernoulli units need values in \[0, 1\].*NaN"),
    "pixels": ((X * 255, MASK), "max=255"),
    "padding alone": (
        (X, np.zeros_like(MASK)),
        "Each batch must have a frame that is not padding.*a batch that has none",
    ),
}


@pytest.mark.parametrize(
    ("fault", "options"),
    [("NaN", EAGER), ("pixels", EAGER), ("padding alone", EAGER), ("padding alone", {"jit_compile": True})],
    ids=str,
)
@pytest.mark.few(2)
def test_a_bad_batch_on_the_way_leaves_the_weights_before_it(fault, options):
    """Four batches, the third bad: what is left is what the two before it made. Padding may be anything."""
    (bad, message), good = FAULTS[fault], (np.where(MASK[..., None], X, np.nan), MASK)
    batches = [good, good, bad, good]

    def made() -> RNNRBM:
        model = random_model(dtype="float32", sampler=Still())
        model.compile(keras.optimizers.SGD(0.5), steps_per_execution=1, **options)
        return model

    def stream(batches) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(
            tuple(np.concatenate(part) for part in zip(*batches, strict=True))
        ).batch(6)

    model, expected = made(), made()
    with pytest.raises(ValueError, match=message):
        model.fit(stream(batches), verbose=0)
    assert model.optimizer.iterations == 2
    expected.compile(keras.optimizers.SGD(0.5), **EAGER)
    expected.fit(stream([good, good]), verbose=0)
    start = random_model(dtype="float32")
    for now, then, before in zip(weights_of(model), weights_of(expected), weights_of(start), strict=True):
        assert_rounded(now, then)
        assert not np.array_equal(now, before)


class Still(samplers.CD):
    """Negative samples that are the data the other way round."""

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        return samplers.Samples(tf.reverse(1 - v_data, [-1]), weights)


# --- bad input: samples


def test_bad_calls_of_generate():
    model = random_model(dtype="float32")
    memory = model.memory_after(X[:2])
    for options, message in (
        ({"num_frames": 0}, "`num_frames` must be a positive integer. Received: num_frames=0"),
        ({"num_frames": 2.5}, "`num_frames` must be a positive integer. Received: num_frames=2.5"),
        ({"num_sequences": 0}, "`num_sequences` must be a positive integer"),
        ({"num_steps": 0}, "`num_steps` must be a positive integer"),
        ({"prime": X[0]}, "and must be more. Received: num_frames=4, a prime of 4 frames"),
        ({"prime": X[0, :2, :2]}, r"\(batch, time, 3\).*shape=\(1, 2, 2\)"),
        ({"prime": X[0, 0]}, r"\(batch, time, 3\)"),
        ({"prime": X[0, :0]}, "at least one sequence of one frame"),
        ({"prime": 9 * X[0, :2]}, r"\[0, 1\].*max=9"),
        ({"prime": X[0, :2] * np.nan}, r"\[0, 1\].*NaN"),
        ({"prime": X[:, :2], "num_sequences": 4}, "one sequence, or num_sequences=4. Received: 6 sequences"),
        ({"clamp": [True, False, False]}, "give both or neither"),
        ({"values": X[0]}, "give both or neither"),
        ({"clamp": [True] * 3, "values": [1, 1, 1]}, "`clamp` must leave units to sample"),
        ({"clamp": [1, 0, 0], "values": [1, 1, 1]}, "`clamp` must be booleans.*dtype=int64"),
        ({"clamp": [True, False], "values": [1, 1, 1]}, r"`clamp` must broadcast to.*\(1, 4, 3\).*shape=\(2,\)"),
        ({"clamp": [True, False, False], "values": X}, r"`values` must broadcast to.*\(1, 4, 3\).*\(6, 4, 3\)"),
        ({"clamp": [True, False, False], "values": [7, 1, 1]}, "max=7"),
        ({"memory": memory, "num_sequences": 1}, "must be that of num_sequences=1 sequences. Received: one of 2"),
        (
            {"memory": 3},
            "`memory` must be what `memory_after` or `generate` of a model with these recurrent layers returned",
        ),
        ({"memory": RNNRBM(2, 5).memory_after(X)}, r"Received: Memory of widths \[5, 5\]"),
        ({"memory": memory, "num_sequences": 3}, "must be that of num_sequences=3 sequences. Received: one of 2"),
    ):
        with pytest.raises(ValueError, match=message):
            model.generate(**{"num_frames": 4, **options})
    softmax = random_model(width=6, visible=units.Softmax(3))
    with pytest.raises(ValueError, match="`clamp` must hold all units of a softmax group or none"):
        softmax.generate(2, clamp=[True, False, False, True, True, True], values=[1, 0, 0, 1, 0, 0])


def test_as_many_sequences_as_the_memory_or_the_prime_has():
    model = random_model(dtype="float32")
    assert model.generate(4, prime=X[:, :2]).shape == (len(X), 4, 3)
    assert model.generate(4, memory=model.memory_after(X[:2])).shape == (2, 4, 3)
    assert model.generate(4, prime=X[0, :2]).shape == (1, 4, 3)


@pytest.mark.parametrize("name", ["validation_data", "validation_split", "sample_weight"])
def test_pretraining_takes_nothing_that_its_stages_do_not_share(name):
    with pytest.raises(ValueError, match=f"share no `{name}`"):
        random_model(dtype="float32").pretrain(X, MASK, **{name: 0.5})


def test_the_monitor_logs_what_the_likelihood_finds():
    model = random_model(dtype="float32")
    model.compile("sgd", jit_compile=False)
    monitor = FrameLikelihoodMonitor(X, MASK, every=2, num_frames=5)
    logs = model.fit(X, MASK, epochs=2, verbose=0, callbacks=[monitor], shuffle=False).history
    assert set(logs) >= {"log_likelihood_lower", "log_likelihood_upper", "accuracy", "frame_accuracy"}
    assert logs["log_likelihood_lower"][0] == logs["log_likelihood_lower"][1]  # measured every second epoch
    monitor = FrameLikelihoodMonitor(X, MASK, num_frames=5)
    logs = model.fit(X, MASK, epochs=1, verbose=0, callbacks=[monitor]).history
    found = frame_log_likelihood(model, X, MASK, num_frames=5, num_temperatures=100, burn_in=50, verbose=0)
    assert logs["log_likelihood_lower"] == [found.lower]
    assert logs["frame_accuracy"] == [found.frame_accuracy]


def test_the_monitor_refuses_grey_levels_before_the_first_step():
    """Padding may be anything."""
    model = random_model(dtype="float32")
    grey = np.where(np.arange(4)[:, None] < 3, X, 0.5)
    monitor = FrameLikelihoodMonitor(grey, MASK)
    monitor.set_model(model)
    with pytest.raises(ValueError, match=r"those of states\. Received: a grey level"):
        monitor.on_train_begin()
    monitor = FrameLikelihoodMonitor(grey[1:4], MASK[1:4])
    monitor.set_model(model)
    monitor.on_train_begin()


def test_the_monitor_of_another_machine():
    rbm = RBM(2)
    rbm.compile("sgd", jit_compile=False)
    with pytest.raises(TypeError, match=r"Received: RBM\. Use LikelihoodMonitor"):
        rbm.fit(X[:, 0], verbose=0, callbacks=[FrameLikelihoodMonitor(X, MASK)])


def test_bad_calls_of_listen():
    model = random_model(dtype="float32")
    with pytest.raises(ValueError, match=r"\(batch, time, 3\).*\(6, 4, 2\)"):
        model.memory_after(X[..., :2])
    with pytest.raises(ValueError, match=r"A mask must have shape.*\(6, 4\).*\(6, 3\)"):
        model.memory_after(X, MASK[:, :3])


def test_listening_with_the_memory_of_other_sequences():
    model = random_model(dtype="float32")
    with pytest.raises(ValueError, match=r"`memory` must be that of .*6 sequences. Received: one of 2"):
        model.memory_after(X, memory=model.memory_after(X[:2]))


def test_models_that_are_not_built(tmp_path):
    with pytest.raises(ValueError, match=r"must be built before it generates. Fit it, or call it on data"):
        RNNRBM(2, 3).generate(4)
    with pytest.raises(ValueError, match="must be built before it is exported"):
        RNNRBM(2, 3).export(tmp_path / "model")
    with pytest.raises(ValueError, match=r"\(batch, time, visible\).*shape=\(None, 3\)"):
        RNNRBM(2, 3).build((None, 3))
    assert RNNRBM(2, 3).memory_after(X).output.shape == (6, 3)  # data build it
    with pytest.raises(ValueError, match=r"call `compile\(\)`"):
        RNNRBM(2, 3).fit(X)


def test_masks_that_change_nothing():
    """A mask is given by either name, and ones are no mask."""
    found = []
    for options in (
        {},
        {"mask": np.ones((6, 4), bool)},
        {"y": np.ones((6, 4))},
        {"mask": MASKS["right"][:, :4] | True},
    ):
        model = random_model(dtype="float32")
        model.compile("sgd", **EAGER)
        model.fit(X, **options, shuffle=False, verbose=0)
        found.append(weights_of(model))
    for other in found[1:]:
        assert_equal_weights(found[0], other)
