"""A convolutional RBM among Keras models: data of all sorts, files, exports, and what it refuses."""

import itertools
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, RBM, ConvRBM, diagnosis, likelihood, physics, regularizers, samplers, units
from keras_rbm import sklearn as estimators
from tests.models.test_bad_input import dataset
from tests.oracles.machines import Fixed
from tests.support.eager import eager_functions
from tests.support.saving import assert_same_state, config_of, through_disk
from tests.support.statistics import assert_rounded
from tests.support.weights import assert_equal_weights, weights_of

X = (np.random.default_rng(0).random((32, 4, 5, 1)) < 0.4).astype("float32")
EAGER = {"run_eagerly": True}

MACHINES = {
    "pools": lambda: ConvRBM(2, 2, pool_size=2, sampler="pcd", seed=3),
    "options": lambda: ConvRBM(
        3,
        (3, 2),
        pool_size=(2, 1),
        strides=(1, 2),
        padding="same",
        sampler=samplers.ParallelTempering(1, 4, 3),
        visible_bias="position",
        output="detection",
        hidden=units.Bernoulli(bias_initializer=keras.initializers.Constant(-1.0)),
        activity_regularizer=regularizers.Sparsity(0.1, 0.1),
        kernel_regularizer="l2",
        missing_steps=2,
        name="mine",
    ),
    "gaussian": lambda: ConvRBM(2, 2, visible="gaussian", centered=False, sampler="fast_pcd", seed=3),
    "sequence": lambda: ConvRBM(2, 2, pool_size=3, rank=1, seed=3),
    "untied": lambda: ConvRBM(2, 2, pool_size=2, tied=False, seed=3),
}


def data_of(kind: str) -> np.ndarray:
    return X.reshape(32, 20, 1) if kind == "sequence" else X


def compiled(machine: ConvRBM, **options) -> ConvRBM:
    machine.compile(keras.optimizers.SGD(0.1, momentum=0.5), **{**EAGER, **options})
    return machine


# --- files


@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.few(2)
def test_a_machine_comes_back_and_takes_the_same_next_step(kind, tmp_path):
    x, machine = data_of(kind), MACHINES[kind]()
    machine.build(x.shape)
    if kind != "untied":
        compiled(machine).adapt(x)
        machine.fit(x, batch_size=10, verbose=0)
    loaded = through_disk(machine, tmp_path)
    assert config_of(loaded) == config_of(machine)
    assert_same_state(machine, loaded)
    for ask in ("encode", "reconstruct", *(["free_energy"] if kind != "untied" else [])):
        np.testing.assert_array_equal(getattr(machine, ask)(x), getattr(loaded, ask)(x))
    if kind == "untied":
        return
    for each in (machine, loaded):
        each.train_on_batch(x[:9])
    assert_same_state(machine, loaded)
    copy = ConvRBM.from_config(machine.get_config())
    copy.build(x.shape)
    machine.save_weights(tmp_path / "a.weights.h5")
    copy.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(machine.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


#: Run without this package.
SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

for kind in sys.argv[1:]:
    model, v = tf.saved_model.load(kind), tf.constant(np.load(kind + ".npy"))
    found = {name: getattr(model, name)(v).numpy() for name in ("encode", "reconstruct", "free_energy")}
    found["classes"] = model.classify(v).numpy()
    found["samples"] = model.sample(tf.constant(30), tf.constant(3)).numpy()
    gap = tf.where(tf.random.stateless_uniform(tf.shape(v), [0, 1]) < 0.3, np.nan, v)
    found["gap"], found["imputed"] = gap.numpy(), model.impute(gap, tf.constant(5), tf.constant(2)).numpy()
    noise = model.signatures["gibbs"].structured_input_signature[1]["noise"].shape[1]
    states, noise = tf.reshape(v, (len(v), -1)), tf.random.stateless_uniform((len(v), noise), [0, 2])
    found |= {f"gibbs_{name}": x.numpy() for name, x in model.gibbs(states, noise).items()}
    np.savez(kind + ".npz", **found)
assert "keras_rbm" not in sys.modules
"""


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [["pools"], pytest.param(["sequence", "gaussian"], marks=pytest.mark.slow)])
def test_a_saved_model_answers_the_same_in_pictures(kinds, tmp_path):
    for kind in kinds:
        machine = MACHINES[kind]()
        machine.build(data_of(kind).shape)
        machine.w_rec.assign(np.random.default_rng(1).normal(size=machine.w_rec.shape))
        asked = ["classify", "encode", "reconstruct", "free_energy", "sample", "impute", "gibbs"]
        machine.export(tmp_path / kind, classifier=machine.classifier(3), endpoints=asked)
        np.save(tmp_path / f"{kind}.npy", data_of(kind))
        np.savez(
            tmp_path / f"{kind}-own.npz",
            **{name: getattr(machine, name)(data_of(kind)) for name in ("encode", "reconstruct", "free_energy")},
        )
    run = subprocess.run([sys.executable, "-c", SCRIPT, *kinds], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "custom gradients" not in run.stderr
    for kind in kinds:
        found, own, shape = (
            np.load(tmp_path / f"{kind}.npz"),
            np.load(tmp_path / f"{kind}-own.npz"),
            data_of(kind).shape,
        )
        for name in own:
            np.testing.assert_allclose(found[name], own[name], rtol=0, atol=1e-4, err_msg=name)
        assert found["classes"].shape == (32, 3)
        assert found["samples"].shape == (30, *shape[1:])
        if kind != "gaussian":
            assert set(np.unique(found["samples"])) == {0.0, 1.0}
        seen = ~np.isnan(found["gap"])
        np.testing.assert_array_equal(found["imputed"][seen], found["gap"][seen])
        assert np.isfinite(found["imputed"]).all()
        assert found["gibbs_v"].shape == found["gibbs_mean"].shape == shape
        np.testing.assert_array_equal(found["gibbs_next_states"], found["gibbs_v"].reshape(32, -1))


# --- beside other layers


def test_in_a_sequential_model(tmp_path):
    """Fits without a warning of missing gradients, saves, loads and goes on alike."""
    y = (X.sum((1, 2, 3)) > 8).astype(int)
    layers = [ConvRBM(3, 2, pool_size=2, seed=0), ConvRBM(2, 2, seed=1), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4, 5, 1)), *layers])
    assert model.layers[0].output.shape == (None, 2, 2, 3)
    assert model.layers[1].output.shape == (None, 1, 1, 2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss, run_eagerly=True)
    history = model.fit(X, y, epochs=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    loaded = through_disk(model, tmp_path)
    np.testing.assert_array_equal(loaded(X), model(X))
    for each in (model, loaded):
        each.train_on_batch(X, y)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["pools", "options", "gaussian", "sequence"])
def test_a_classifier_computes_encode_in_plain_keras(kind, tmp_path):
    x, machine = data_of(kind), MACHINES[kind]()
    machine.build(x.shape)
    machine.w_rec.assign(np.random.default_rng(1).normal(size=machine.w_rec.shape))
    machine.hidden.bias.assign(np.linspace(-1, 1, machine.filters))
    net = machine.classifier(3, dropout=0.5)
    assert not [layer for layer in net._flatten_layers() if type(layer).__module__.startswith("keras_rbm")]
    h = x
    for layer in itertools.takewhile(lambda layer: not isinstance(layer, keras.layers.Dropout), net.layers):
        h = layer(h)
    assert_rounded(h, machine.encode(x), ulps=100)
    np.testing.assert_array_equal(through_disk(net, tmp_path)(x), net(x))


# --- data


@pytest.mark.parametrize("kind", ["bytes", "rows once built", "pairs", "generator", "dataset"])
@pytest.mark.few(4)
def test_data_of_all_sorts(kind):
    """One epoch in order teaches the same, whatever the pictures come in."""

    def batches():
        yield from ((part,) for part in np.split(X, 4))

    given = {
        "bytes": X.astype("uint8"),
        "rows once built": X.reshape(32, -1),
        "dataset": dataset(X),
        "pairs": dataset((X, np.zeros(32), np.ones(32, "float32"))),
        "generator": batches(),
    }
    expected, machine = compiled(MACHINES["pools"]()), compiled(MACHINES["pools"]())
    expected.fit(X, batch_size=8, shuffle=False, verbose=0)
    if kind in ("rows once built", "generator"):
        machine.build(X.shape)
    data = given[kind]
    options = {"batch_size": 8, "shuffle": False} if isinstance(data, np.ndarray) else {"steps_per_epoch": 4}
    machine.fit(data, verbose=0, **options)
    for a, b in zip(weights_of(expected), weights_of(machine), strict=True):
        assert_rounded(a, b, ulps=100)


def test_weights_count_cases_and_validation_looks_on():
    rows = [X[[0, 0, 2]], X[:3]]
    found = []
    for x, weights in zip(rows, (None, np.array([2.0, 0.0, 1.0])), strict=True):
        machine = compiled(ConvRBM(2, 2, pool_size=2, sampler=Fixed(X[:4].reshape(4, -1)), seed=3))
        machine.fit(x, sample_weight=weights, batch_size=3, verbose=0)
        found.append(weights_of(machine))
    for a, b in zip(*found, strict=True):
        assert_rounded(a, b)
    machine, plain = compiled(MACHINES["pools"]()), compiled(MACHINES["pools"]())
    history = machine.fit(X, validation_data=X[:9], epochs=2, shuffle=False, verbose=0).history
    assert np.isfinite(history["val_reconstruction_error"]).all()
    plain.fit(X, epochs=2, shuffle=False, verbose=0)
    assert_equal_weights(weights_of(machine), weights_of(plain))


def test_missing_pixels_are_drawn():
    """What a channel learns of its mean comes from all its pixels that are there."""
    gap = X.copy()
    gap[1:, 1, 2] = np.nan
    machine = compiled(ConvRBM(2, 2, pool_size=2, missing_steps=2, seed=0))
    machine.adapt(gap)
    assert_rounded(
        machine.visible.biases[0], np.log((np.nansum(gap) + 0.5) / (32 * 19 + 1 - np.nansum(gap) + 0.5)), 1e3
    )
    before = weights_of(machine)
    machine.fit(gap, verbose=0)
    assert all(np.isfinite(w).all() for w in machine.get_weights())
    assert np.all(machine.w_rec != before[0])
    filled = machine.impute(gap[:3], num_steps=3, burn_in=1)
    np.testing.assert_array_equal(filled[~np.isnan(gap[:3])], gap[:3][~np.isnan(gap[:3])])


def test_penalties_touch_what_they_are_of():
    """The kernel's by its own gradient; sparsity of a filter's mean over cases and positions moves filters alone."""

    def one_step(**options) -> list[np.ndarray]:
        machine = ConvRBM(2, 2, pool_size=2, sampler=Fixed(X[:4].reshape(4, -1)), seed=3, dtype="float64", **options)
        machine.build(X.shape)
        machine.w_rec.assign(np.random.default_rng(1).normal(size=machine.w_rec.shape))
        start.append([np.array(x) for x in (machine.w_rec, machine.visible.bias, machine.hidden.bias)])
        activities.append(np.array(machine.mean_h_from_v(X)).mean((0, 1, 2)))
        machine.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
        machine.train_on_batch(X)
        return [np.array(x) for x in (machine.w_rec, machine.visible.bias, machine.hidden.bias)]

    start, activities = [], []
    plain, decayed = one_step(), one_step(kernel_regularizer=keras.regularizers.L2(0.25))
    assert_rounded(decayed[0], plain[0] - 0.125 * 2 * 0.25 * start[0][0])
    assert_rounded(decayed[1], plain[1])
    sparse = one_step(activity_regularizer=keras.regularizers.L2(0.5))
    np.testing.assert_array_equal(sparse[1], plain[1])
    assert np.all(sparse[2] < plain[2])
    # Of units that share a bias the penalty is that of their mean: 0.5 a^2 for each of the 12, in float64.
    machine = ConvRBM(2, 2, pool_size=2, seed=3, dtype="float64")
    machine.build(X.shape)
    machine.w_rec.assign(start[0][0])
    c = tf.Variable(start[0][2])
    with tf.GradientTape() as tape:
        inputs = machine.hidden_input(tf.constant(X.reshape(32, -1), "float64"))
        a = tf.reduce_mean(tf.reshape(machine.hidden.mean(inputs + tf.tile(c, [12])), (-1, 2)), 0)
        penalty = 0.5 * tf.reduce_sum(a**2) * 12
    np.testing.assert_allclose(a, activities[0])
    assert_rounded(sparse[2], plain[2] - 0.125 * tape.gradient(penalty, c))


@pytest.mark.parametrize("side", ["visible", "hidden"])
def test_frozen_biases_stay(side):
    machine = compiled(MACHINES["pools"]())
    machine.build(X.shape)
    getattr(machine, side).trainable = False
    before = np.array(getattr(machine, side).bias)
    w = np.array(machine.w_rec)
    machine.fit(X, verbose=0)
    np.testing.assert_array_equal(getattr(machine, side).bias, before)
    assert np.all(machine.w_rec != w)


def test_hidden_bias_options_are_those_of_pools():
    machine = MACHINES["options"]()
    machine.build(X.shape)
    np.testing.assert_array_equal(machine.hidden.bias, np.full(3, -1.0))


def test_a_diagnosis_takes_pictures():
    """What is compared are single pixels, as of rows."""
    x, machine = np.tile(X, (8, 1, 1, 1)), MACHINES["pools"]()
    machine.adapt(x)
    options = {"num_cases": 200, "num_steps": 4, "num_temperatures": 4}
    with eager_functions():
        first, second = (diagnosis.diagnose(machine, data, **options) for data in (x, x.reshape(len(x), -1)))
    assert str(first) == str(second)
    with pytest.raises(ValueError, match=r"\(batch, 4, 5, 1\)\. Received: shape=\(256, 4, 5\)"):
        diagnosis.diagnose(machine, x[..., 0], **options)


# --- what is refused


def test_constructors_refuse():
    cases = [
        (
            {"pool_size": 2, "hidden": "gaussian"},
            r"Pools are of Bernoulli units.*Received: hidden=Gaussian.*pool_size=1",
        ),
        (
            {"pool_size": (2, 2, 2)},
            r"`pool_size` must be one number, or 2, one an axis\. Received: pool_size=\(2, 2, 2\)",
        ),
        ({"pool_size": 0}, r"`pool_size` must be a positive integer\. Received: pool_size=0"),
        ({"kernel_size": -1}, r"`kernel_size` must be a positive integer"),
        ({"padding": "full"}, r"`padding` must be 'valid' or 'same'\. Received: padding='full'"),
        ({"rank": 3}, r"`rank` must be 2, for pictures, or 1, for sequences\. Received: rank=3"),
        ({"strides": 0}, r"`strides` must be a positive integer\. Received: strides=0"),
        ({"filters": 2.5}, r"`filters` must be a positive integer\. Received: filters=2.5"),
        ({"visible": units.Mixed([("spin", 1), ("bernoulli", 1)])}, r"are of one kind\. Received: Mixed"),
        ({"hidden": units.MaxPooled(3), "pool_size": 2}, r"pool_size=\(2, 2\).*pools of \(3, 3\)\. Leave `hidden` out"),
        ({"hidden": units.MaxPooled(2)}, r"pool_size=\(1, 1\).*pools of \(2, 2\)"),
        ({"visible_bias": "pixel"}, r"`visible_bias` must be 'channel' or 'position'\. Received: visible_bias='pixel'"),
        ({"output": "max"}, r"`output` must be 'pooled' or 'detection'\. Received: output='max'"),
        ({"visible": "gaussian", "hidden": "relu"}, r"no partition function.*Received: unbounded states"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            ConvRBM(**{"filters": 2, "kernel_size": 2, **options})
    with pytest.raises(ValueError, match=r"at least two units\. Received: pool_size=\(1, 1\)\. Use Bernoulli"):
        units.MaxPooled((1, 1))
    with pytest.raises(ValueError, match=r"num_states=3, which channels must be a multiple of\. Received: 1 channels"):
        ConvRBM(2, 2, visible=units.Softmax(3)).build(X.shape)


def bad(value: float) -> np.ndarray:
    x = X.copy()
    x[20, 1, 2, 0] = value
    return x


#: Of machines that are not built and, in the second place, of those that are.
BAD_DATA = {
    "no channels": (
        X[..., 0],
        r"\(batch, height, width, channels\).*4, 5\).*x\[\.\.\., None\]",
        r"x\[\.\.\., None\]",
    ),
    "rows before building": (X.reshape(32, -1), r"\(batch, height, width, channels\).*, 20\)", None),
    "one picture": (
        X[0],
        r"\(batch, height, width, channels\).*shape=\(4, 5, 1\)",
        r"Add the axis of cases: x\[None\]",
    ),
    "too small": (X[:, :1], r"Filters must fit.*kernel_size=\(2, 2\).*, 1, 5, 1\)", r"\(batch, 4, 5, 1\)"),
    "small for pools": (
        X[:, :, :2],
        r"Pools must fit.*pool_size=\(2, 2\).*\(3, 1\).*smaller pools",
        r"\(batch, 4, 5, 1\)",
    ),
    "other channels": (np.repeat(X, 3, -1), None, r"\(batch, 4, 5, 1\).*, 4, 5, 3\)"),
    "other size": (np.repeat(X, 2, 1), None, r"\(batch, 4, 5, 1\).*, 8, 5, 1\)"),
    "NaN": (bad(np.nan), "missing_steps", "missing_steps"),
    "grey levels of 255": (bad(255.0), r"max=255.*Divide pixels by 255", r"max=255"),
    "negative": (bad(-0.1), r"min=-0\.1", r"min=-0\.1"),
    "bytes": ((X * 255).astype("uint8"), "max=255", "max=255"),
    "no channel at all": (X[..., :0], "without 0", r"\(batch, 4, 5, 1\)"),
    "empty": (X[:0], "at least one row", "at least one row"),
}


@pytest.mark.parametrize("built", [False, True], ids=["unbuilt", "built"])
@pytest.mark.parametrize("name", BAD_DATA)
def test_data_that_do_not_fit_are_refused_before_the_first_step(name, built):
    x, *messages = BAD_DATA[name]
    message = messages[built]
    if message is None:
        return  # these fit
    machine = compiled(MACHINES["pools"]())
    if built:
        machine.build(X.shape)
    before = weights_of(machine)
    uses = [
        lambda: machine.fit(x, verbose=0),
        lambda: machine.adapt(x),
        *([lambda: machine.fit(dataset(x, 32), verbose=0)] if len(x) else []),
        *(
            [lambda: machine.fit(X, validation_data=x, verbose=0), lambda: machine.evaluate(x, verbose=0)]
            if built
            else []
        ),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=message):
            use()
    assert_equal_weights(weights_of(machine), before if built else weights_of(machine))
    if name in ("no channels", "one picture", "too small", "other size"):
        with pytest.raises(ValueError, match=message):
            machine(x)


def test_likelihoods_are_of_states():
    machine = MACHINES["pools"]()
    machine.build(X.shape)
    with pytest.raises(ValueError, match=r"Likelihoods are those of states\. Received: a grey level.*in row 20"):
        likelihood.log_likelihood(machine, bad(0.5), num_chains=5, num_temperatures=5)


def test_maps_that_do_not_fit_are_refused():
    machine = MACHINES["pools"]()
    with pytest.raises(ValueError, match="must be built before it goes down"):
        machine.mean_v_from_h(np.zeros((1, 3, 4, 2)))
    machine.build(X.shape)
    assert machine.mean_v_from_h(np.zeros((1, 3, 4, 2))).shape == (1, 4, 5, 1)
    with pytest.raises(ValueError, match=r"\(batch, 3, 4, 2\)\. Received: shape=\(1, 2, 2, 2\)"):
        machine.mean_v_from_h(np.zeros((1, 2, 2, 2)))
    with pytest.raises(
        ValueError,
        match=r"`clamp` must have shape \(4, 5, 1\) or \(num_samples, 4, 5, 1\)\. Received: shape=\(4, 4, 1\)",
    ):
        machine.sample(clamp="observed", values=np.full((4, 4, 1), np.nan))


def test_where_a_convolutional_rbm_does_not_go():
    """Where pools have no place, and in machines whose layers are sizes. Where weights may be any matrix, it does."""
    pools, plain = MACHINES["pools"](), ConvRBM(2, 2, seed=0)
    for machine in (pools, plain):
        machine.build(X.shape)
        with pytest.raises(ValueError, match=r"`units` must be a positive integer\. Received: units=<ConvRBM"):
            DBM([machine, 5])
        with pytest.raises(ValueError, match=r"`units` must be a positive integer\. Received: units=<ConvRBM"):
            RBM(machine)
    with pytest.raises(ValueError, match=r"units with two states.*Received: MaxPooled"):
        physics.Ising.of(pools)
    with pytest.raises(ValueError, match=r"Received: Bernoulli and MaxPooled units"):
        estimators.to_sklearn(pools)
    rows = X.reshape(32, -1)
    assert_rounded(estimators.to_sklearn(plain).transform(rows), plain.encode(X).numpy().reshape(32, -1))
    assert estimators.to_sklearn(plain).transform(rows).shape == (32, 3 * 4 * 2)


def test_groups_of_softmax_units_lie_at_one_position():
    with pytest.raises(ValueError, match=r"a multiple of\. Received: 4 filters"):
        ConvRBM(4, 2, hidden=units.Softmax(num_states=3))
    with pytest.raises(ValueError, match=r"a multiple of\. Received: 2 channels"):
        ConvRBM(3, 2, visible=units.Softmax(num_states=4)).build((None, 4, 4, 2))
