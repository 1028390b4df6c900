"""A deep Boltzmann machine in use: fitted, saved, exported, taken apart into plain Keras, and asked for classes."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from keras_rbm import DBM, likelihood, regularizers, samplers, units
from keras_rbm.models.deep.mean_field import first_pass
from tests.oracles.dbm import ExactDBM, random_dbm
from tests.oracles.kinds import binary_states, index
from tests.oracles.machines import sigmoid
from tests.support.eager import eager_functions
from tests.support.modes import MODES
from tests.support.statistics import assert_frequencies, assert_means, assert_rounded

X = binary_states(5).astype("float32")
Y = (X.sum(1) > 2).astype(int)
EAGER = {"run_eagerly": True}
SAMPLERS = ["cd", "pcd", "fast_pcd", "parallel_tempering"]


def dbm_of(*sizes: int, scale: float = 0.8, **kwargs) -> DBM:
    """A built machine of random parameters, float32."""
    dbm = DBM(list(sizes or (4, 3)), **{"seed": 0, "mean_field_steps": 500, "tolerance": 1e-4, **kwargs})
    dbm.build((None, 5))
    rng = np.random.default_rng(1)
    for variable in [*dbm.kernels, *(group.bias for group in dbm.groups)]:
        variable.assign(rng.normal(0, scale, variable.shape))
    return dbm


def compiled(dbm: DBM, optimizer=None, **kwargs) -> DBM:
    dbm.compile(optimizer or keras.optimizers.SGD(0.1), **{**EAGER, **kwargs})
    return dbm


def assert_same_state(a: keras.Model, b: keras.Model) -> None:
    for x, y in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=x.path)


# --- fit


def test_arrays_and_datasets_teach_the_same():
    first, second, third = (compiled(dbm_of()) for _ in range(3))
    histories = [
        first.fit(X, batch_size=16, epochs=2, shuffle=False, verbose=0),
        second.fit(tf.data.Dataset.from_tensor_slices(X).batch(16), epochs=2, verbose=0),
        third.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(16), epochs=2, verbose=0),
    ]
    assert_same_state(first, second)
    assert_same_state(first, third)
    assert all(h.history == histories[0].history for h in histories)
    assert set(histories[0].history) == {"loss", "reconstruction_error", "mean_field_residual"}


def test_sample_weight_of_fit_is_that_of_repeated_cases():
    """Frozen chains: the sampler's states are the same whatever the batch."""
    number = np.arange(32) % 3

    class Frozen(samplers.PCD):
        def negative_phase(self, rbm, v_data, weights, hidden_input=None):
            return samplers.Samples(tf.identity(self.chains.value), tf.ones(self.num_chains, v_data.dtype))

    def trained(x, weights) -> list[np.ndarray]:
        options = {"dtype": "float64", "tolerance": 1e-12, "sampler": Frozen(num_chains=9, dtype="float64")}
        dbm = compiled(dbm_of(4, 3, 2, **options))
        dbm.sampler.chains.assign(np.random.default_rng(0).integers(0, 2, (9, 8)))
        dbm.fit(x, sample_weight=weights, batch_size=100, epochs=2, verbose=0)
        return [np.array(x) for x in [*dbm.trainable_variables, *dbm.offsets]]

    repeated = trained(np.repeat(X, number, 0), None)
    for a, b in zip(trained(X, number), repeated, strict=True):
        assert_rounded(a, b)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(trained(X, None), repeated, strict=True))


@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.few(1)
def test_validation_data(labels):
    dbm = compiled(dbm_of(num_classes=2 if labels else None))
    data = (X[:8], Y[:8]) if labels else X[:8]
    history = dbm.fit(X, Y, validation_data=data, verbose=0).history
    names = {"loss", "reconstruction_error", "mean_field_residual"}
    graded = {"cross_entropy", "accuracy"} if labels else set()
    assert set(history) == names | {f"val_{name}" for name in names | graded}
    logs = dbm.evaluate(X[:8], Y[:8], verbose=0, return_dict=True)
    y = tf.constant(Y[:8], tf.int32) if labels else None  # known in training, so it is here
    field = dbm.visible.field(dbm._input_to(0, {1: dbm._posterior(X[:8], y).means[1]}))
    found = np.mean(dbm.visible.reconstruction_error(tf.constant(X[:8]), field))
    np.testing.assert_allclose(logs["reconstruction_error"], found, rtol=1e-6)
    np.testing.assert_allclose(history["val_reconstruction_error"][0], found, rtol=1e-6)
    if labels:
        log_p = np.asarray(dbm.class_log_probs(X[:8]))
        np.testing.assert_allclose(logs["cross_entropy"], -np.mean(log_p[np.arange(8), Y[:8]]), rtol=1e-6)
        np.testing.assert_allclose(logs["accuracy"], np.mean(dbm.classify(X[:8]) == Y[:8]), rtol=1e-6)


class Started(samplers.CD):
    """CD that keeps the states that it started in."""

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        self.seen = v_data.numpy()
        return super().negative_phase(rbm, v_data, weights, hidden_input)


@pytest.mark.parametrize("num_classes", [None, 2])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
def test_contrastive_divergence_starts_in_states_drawn_for_the_data(sizes, num_classes):
    """The data, the second hidden layer by its mean-field means, and label units, on that side, as they are known."""
    sampler = Started()
    dbm = compiled(dbm_of(*sizes, num_classes=num_classes, sampler=sampler))
    v, y = np.repeat(X[9:10], 5000, 0), np.ones(5000, int)
    mean = np.asarray(dbm._posterior(X[9:10], num_classes and tf.constant([1])).means[2])[0]
    dbm.train_on_batch(v, y)
    np.testing.assert_array_equal(sampler.seen[:, :5], v)
    assert_means(sampler.seen[:, 5:8], mean)
    assert set(np.unique(sampler.seen)) == {0, 1}
    known = np.tile([0, 1], (5000, 1)) if num_classes and len(sizes) == 3 else np.zeros((5000, 0))
    np.testing.assert_array_equal(sampler.seen[:, 8:], known)


@pytest.mark.parametrize("num_classes", [None, 2])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.few(4)
def test_every_sampler_takes_steps(sampler, num_classes):
    """Of two, where labels are on the data's side, and of three hidden layers."""
    for sizes in ((4, 3), (4, 3, 2)):
        dbm = compiled(dbm_of(*sizes, num_classes=num_classes, sampler=sampler))
        old = [np.array(x) for x in dbm.trainable_variables]
        chains = np.array(getattr(dbm.sampler, "chains", 0.0))
        logs = dbm.train_on_batch(X, Y, return_dict=True)
        assert set(dbm.sampler.log_names) <= set(logs)
        assert np.isfinite(list(logs.values())).all()
        for a, b in zip(old, dbm.trainable_variables, strict=True):
            assert np.all(np.isfinite(b))
            assert np.any(a != np.array(b)), b.path
        if sampler != "cd":
            assert np.any(np.array(dbm.sampler.chains) != chains)
            assert set(np.unique(dbm.sampler.chains)) <= {0, 1}
        if sampler == "fast_pcd":
            assert all(np.any(np.array(x) != 0) for x in dbm.sampler.fast)


@pytest.mark.parametrize(
    ("sampler", "mode"),
    [
        ("parallel_tempering", "graph"),
        ("pcd", "xla"),
        pytest.param("pcd", "graph", marks=pytest.mark.slow),
        pytest.param("parallel_tempering", "xla", marks=pytest.mark.slow),
    ],
)
@pytest.mark.few(1)
def test_compiled_steps_are_those_of_eager_ones(sampler, mode):
    """All that is no random draw: two generators are used, so that only the first loss less its samples is alike."""
    logs = []
    for options in (EAGER, {"run_eagerly": False, **MODES[mode]}):
        dbm = compiled(dbm_of(num_classes=2, sampler=sampler), **options)
        found = dbm.train_on_batch(X, Y, return_dict=True)
        logs.append([found["reconstruction_error"], found["mean_field_residual"]])
        assert np.isfinite(found["loss"])
    np.testing.assert_allclose(logs[1], logs[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_learning_raises_the_bound():
    rng = np.random.default_rng(0)
    clean = binary_states(2)[rng.integers(0, 4, 300)].repeat(3, 1)
    x = np.abs(clean - (rng.random(clean.shape) < 0.05)).astype("float32")
    dbm = DBM([5, 3], seed=0, sampler=samplers.PCD(num_steps=3, num_chains=50))
    dbm.adapt(x)
    before = likelihood.log_likelihood(dbm, x).lower
    options = {"batch_size": 50, "verbose": 0}
    optimizer = keras.optimizers.Adam(0.03)
    dbm.pretrain(np.tile(x, (5, 1)), epochs=1, optimizer=optimizer, jit_compile=False, **options)
    pretrained = likelihood.log_likelihood(dbm, x).lower
    dbm.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    dbm.fit(np.tile(x, (25, 1)), **options)
    after = likelihood.log_likelihood(dbm, x).lower
    # Sampling noise of the gradient moves such a small machine's figure by hundredths.
    assert after > pretrained + 0.05
    assert after > before + 0.8
    entropy = -np.log(4) - 6 * -(0.05 * np.log(0.05) + 0.95 * np.log(0.95))
    assert after < entropy + 0.5, "more than the data's own entropy would be over-fitting beyond 300 cases"


def test_frozen_parts_stay_as_they_are():
    """And the offsets beside a frozen bias are not balanced by it: the gradient is the plain one there."""
    dbm = dbm_of(4, 3, 2)
    dbm.visible.trainable = False
    dbm.hidden[2].trainable = False
    dbm.kernels[1].trainable = False
    compiled(dbm)
    old = {v.path: np.array(v) for v in dbm.weights}
    dbm.fit(X, verbose=0)
    frozen = [dbm.visible.bias, dbm.hidden[2].bias, dbm.kernels[1]]
    for variable in frozen:
        np.testing.assert_array_equal(variable, old[variable.path])
    for variable in [dbm.kernels[0], dbm.kernels[2], dbm.hidden[0].bias, dbm.hidden[1].bias]:
        assert np.any(np.array(variable) != old[variable.path])


# --- penalties


@pytest.mark.slow
def test_sparsity_moves_the_means_of_every_hidden_layer():
    def means(cost: float) -> list[float]:
        dbm = DBM([6, 5], seed=0, sampler=samplers.CD(), activity_regularizer=regularizers.Sparsity(0.1, cost))
        compiled(dbm, keras.optimizers.SGD(0.3), run_eagerly=False, jit_compile=False)
        dbm.fit(np.tile(X, (30, 1)), batch_size=16, verbose=0)
        return [float(tf.reduce_mean(h)) for h in dbm.mean_field(X)]

    for free, sparse in zip(means(0.0), means(5.0), strict=True):
        assert abs(free - 0.5) < 0.2
        assert abs(sparse - 0.1) < 0.05


def test_the_penalty_by_hand():
    """Its gradient, the neighbours' means held; it is added to the step without it."""
    target, cost = 0.2, 0.5

    def step(regularizer) -> tuple[DBM, list[np.ndarray]]:
        dbm = dbm_of(4, 3, dtype="float64", tolerance=1e-12, activity_regularizer=regularizer)
        variables = [*dbm.kernels, *(group.bias for group in dbm.groups)]
        old = [np.array(x) for x in variables]
        compiled(dbm, keras.optimizers.SGD(1.0)).train_on_batch(X)
        return dbm, [a - np.array(b) for a, b in zip(old, variables, strict=True)]

    plain, penalised = step(None)[1], step(regularizers.Sparsity(target, cost))[1]
    dbm = dbm_of(4, 3, dtype="float64", tolerance=1e-12)
    h1, h2 = (np.asarray(x) for x in dbm.mean_field(X))

    def slope(h: np.ndarray) -> np.ndarray:
        q = h.mean(0)
        return cost * ((1 - target) / (1 - q) - target / q) * h * (1 - h) / len(h)

    d1, d2 = slope(h1), slope(h2)
    expected = [X.T @ d1, d1.T @ h2 + h1.T @ d2, np.zeros(5), d1.sum(0), d2.sum(0)]
    for a, b, gradient in zip(penalised, plain, expected, strict=True):
        np.testing.assert_allclose(a - b, gradient, atol=1e-10)


def test_kernels_are_penalised_and_bounded():
    dbm = compiled(dbm_of(kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(0.5)))
    dbm.fit(X, verbose=0)
    for kernel in dbm.kernels:
        assert np.all(np.linalg.norm(kernel, axis=0) < 0.5 + 1e-6)
    plain, penalised = (compiled(dbm_of(kernel_regularizer=r)) for r in (None, keras.regularizers.L2(0.5)))
    old = [np.array(x) for x in plain.kernels]
    for dbm in (plain, penalised):
        dbm.train_on_batch(X)
    for w, a, b in zip(old, plain.kernels, penalised.kernels, strict=True):
        assert_rounded(np.array(b) - np.array(a), -0.1 * w)  # 2 * 0.5 * w, at a rate of 0.1


# --- saved, exported


def through_disk(model: keras.Model, folder) -> keras.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.save(folder / "model.keras")
        return keras.models.load_model(folder / "model.keras")


MACHINES = {
    "pcd": lambda: dbm_of(4, 3, 2),
    "labels": lambda: dbm_of(num_classes=2, sampler=samplers.PCD(num_chains=7)),
    "fast_pcd": lambda: dbm_of(sampler="fast_pcd"),
    "parallel_tempering": lambda: dbm_of(sampler=samplers.ParallelTempering(1, 3, 4)),
    "options": lambda: dbm_of(
        4,
        6,
        hidden=["spin", units.Softmax(3, dtype="float64")],
        sampler=samplers.CD(2),
        centered=False,
        mean_field_steps=40,
        tolerance=0.001,
        activity_regularizer=regularizers.Sparsity(0.2, 0.3),
        kernel_initializer=keras.initializers.GlorotNormal(seed=1),
        kernel_regularizer=keras.regularizers.L1(0.01),
        kernel_constraint="max_norm",
        dtype="float64",
        name="my_dbm",
    ),
    "learnt precision": lambda: dbm_of(visible=units.Gaussian(learn_precision=True), offset_rate=0.5),
}


@pytest.fixture
def eagerly():
    with eager_functions():
        yield


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.few(2)
def test_the_next_step_after_a_reload_is_the_same(kind, tmp_path):
    """Parameters, chains, offsets, random keys, optimizer and logs, to the last bit."""
    dbm = compiled(MACHINES[kind](), keras.optimizers.SGD(0.01, momentum=0.9))
    dbm.fit(X, Y, batch_size=20, verbose=0)
    loaded = through_disk(dbm, tmp_path)
    assert type(loaded) is DBM
    assert_same_state(dbm, loaded)
    for machine in (dbm, loaded):
        machine.reset_metrics()
    for _ in range(2):
        logs = [machine.train_on_batch(X[:9], Y[:9], return_dict=True) for machine in (dbm, loaded)]
        assert logs[0] == logs[1]
        assert_same_state(dbm, loaded)
    for a, b in zip(dbm.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(dbm.sample(3, 2), loaded.sample(3, 2))
    np.testing.assert_array_equal(dbm(X), loaded(X))
    first, second = (
        {k: v for k, v in machine.get_config().items() if k not in ("visible", "hidden", "sampler")}
        for machine in (dbm, loaded)
    )
    assert first == second


@pytest.mark.parametrize("kind", MACHINES)
def test_a_config_makes_an_equal_machine(kind):
    dbm = MACHINES[kind]()
    copy = DBM.from_config(dbm.get_config())
    assert not copy.built
    copy.build((None, 5))
    assert [w.shape for w in copy.weights] == [w.shape for w in dbm.weights]
    assert [g.kind for g in copy.groups] == [g.kind for g in dbm.groups]
    assert type(copy.sampler) is type(dbm.sampler)
    assert copy.tolerance == dbm.tolerance


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [pytest.param(None, marks=pytest.mark.slow), 2])
def test_an_exported_machine_answers(num_classes, tmp_path):
    dbm = dbm_of(4, 3, num_classes=num_classes)
    before = dbm.get_weights()
    dbm.export(tmp_path / "dbm")
    for a, b in zip(dbm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    exported = tf.saved_model.load(tmp_path / "dbm")
    for name in ("encode", "reconstruct", *(["class_log_probs"] if num_classes else [])):
        for v in (X, X[:3]):
            assert_rounded(getattr(exported, name)(tf.constant(v)), getattr(dbm, name)(v), 100)
    assert not hasattr(exported, "free_energy")
    first, second = (exported.sample(tf.constant(4000), tf.constant(60)).numpy() for _ in range(2))
    assert first.shape == (4000, 5)
    assert not np.array_equal(first, second)
    assert set(np.unique(first)) == {0, 1}


# --- the classifier


@pytest.mark.parametrize(
    "hidden", ["bernoulli", ["spin", units.Binomial(2), units.Softmax(2)]], ids=["binary", "kinds"]
)
@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
@pytest.mark.few(2)
def test_the_classifier_computes_the_mean_field_posterior(sizes, hidden):
    """Layer by layer, at the fixed point: each layer's outputs are its means."""
    hidden = hidden if isinstance(hidden, str) else hidden[: len(sizes) - 1] + hidden[-1:]
    sizes = sizes if isinstance(hidden, str) else (*sizes[:-1], 4)
    dbm = dbm_of(*sizes, hidden=hidden, tolerance=1e-7, scale=0.5)
    means = dbm.mean_field(X)
    x = dbm.augment(X)
    assert x.shape == (32, 5 + sum(sizes[1:]))
    np.testing.assert_array_equal(x[:, :5], X)
    assert_rounded(x[:, 5:], np.concatenate(means[1:], 1), 0)
    net = dbm.classifier(10)
    for i, mean in enumerate(means, 1):
        part = keras.Model(net.inputs, net.get_layer(f"hidden_{i}").output)
        assert_rounded(part(x), mean, 100)
    assert_rounded(np.asarray(net(x)).sum(1), np.ones(32, "float32"), 50)
    assert net.output_shape == (None, 10)


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
def test_the_classifier_of_data_alone_is_the_first_pass(sizes, num_classes):
    """What comes from below counts twice, but for the last layer; of no class known, each is as probable."""
    dbm = dbm_of(*sizes, num_classes=num_classes)
    net = dbm.classifier(10, mean_field=False)
    h, found = X, X
    for i in range(len(sizes)):
        last = i + 1 == len(sizes)
        bias = np.array(dbm.hidden[i].bias)
        if last and num_classes:
            bias = bias + np.array(dbm.kernels[-1]).mean(1)
        h = sigmoid((1 if last else 2) * h @ np.array(dbm.kernels[i], "float64") + bias)
        found = net.get_layer(f"hidden_{i + 1}")(found)
        assert_rounded(found, h.astype("float32"), 50)
    assert net(X).shape == (32, 10)
    if not num_classes:
        fields = first_pass(dbm, {0: tf.constant(X)}, dbm._product(tf.constant(X), dbm.kernels[0]))
        assert_rounded(h.astype("float32"), tf.sigmoid(fields[len(sizes)]), 50)


def test_with_labels_the_classifier_takes_classes_as_equally_probable():
    dbm = dbm_of(4, 3, num_classes=3, scale=0.5)
    x = dbm.augment(X)
    assert x.shape == (32, 8)
    net = dbm.classifier(7)
    w, b = [np.array(k, "float64") for k in dbm.kernels], [np.array(g.bias) for g in dbm.groups]
    h1 = sigmoid(b[1] + X @ w[0] + np.array(x)[:, 5:] @ w[1].T)
    assert_rounded(net.get_layer("hidden_1")(x), h1.astype("float32"), 50)
    h2 = sigmoid(b[2] + h1 @ w[1] + w[2].mean(1))
    assert_rounded(net.get_layer("hidden_2")(h1.astype("float32")), h2.astype("float32"), 50)


@pytest.mark.parametrize("mean_field", [False, True])
@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
def test_dropout_and_constraints(sizes, mean_field):
    constraint = keras.constraints.MaxNorm(0.3)
    dbm = dbm_of(*sizes)
    net = dbm.classifier(2, mean_field, dropout=0.25, input_dropout=0.5, kernel_constraint=constraint)
    rates = [layer.rate for layer in net.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.5, *[0.25] * len(sizes)]
    x = dbm.augment(X) if mean_field else X
    assert np.array_equal(net(x), net(x))
    assert not np.array_equal(net(x, training=True), net(x, training=True))
    assert not isinstance(net.layers[-1], keras.layers.Dropout)
    net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    net.fit(x, Y, verbose=0)
    dense = [layer for layer in net.layers if isinstance(layer, keras.layers.Dense)]
    assert len(dense) == len(sizes) + 1
    for layer in dense:
        assert np.all(np.linalg.norm(layer.kernel, axis=0) < 0.3 + 1e-6)


@pytest.mark.slow
def test_fine_tuning_leaves_the_machine_alone_and_learns():
    dbm = dbm_of(4, 3, 2)
    before = dbm.get_weights()
    net, x = dbm.classifier(2), np.asarray(dbm.augment(X))
    net.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    net.fit(x, Y, epochs=40, verbose=0)
    assert net.evaluate(x, Y, verbose=0)[1] > 0.9
    for a, b in zip(before, dbm.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_classifiers_deploy_without_this_package(tmp_path):
    """Only plain Keras layers: another process loads them, and cannot import `keras_rbm`."""
    dbm = dbm_of(4, 3, 4, hidden=["bernoulli", "spin", units.Softmax(2)])
    nets = {"field": (dbm.classifier(5, dropout=0.1), dbm.augment(X)), "data": (dbm.classifier(5, False), X)}
    for name, (net, x) in nets.items():
        for layer in net._flatten_layers():
            assert not type(layer).__module__.startswith("keras_rbm")
        net.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", x)
    code = """
import sys
sys.modules["keras_rbm"] = None  # importing it would fail
import keras, numpy as np
for name in ("field", "data"):
    net = keras.models.load_model(name + ".keras")
    np.save("p_" + name + ".npy", net(np.load(name + ".npy")))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    for name, (net, x) in nets.items():
        assert_rounded(np.load(tmp_path / f"p_{name}.npy"), net(x), 50)


# --- inside other models


def outer(**options) -> tuple[keras.Model, DBM]:
    dbm = DBM(
        [8, 4], seed=0, mean_field_steps=5, kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=3)
    )
    model = keras.Sequential([keras.Input((5,)), dbm, keras.layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", **options)
    return model, dbm


@pytest.mark.parametrize(
    "options",
    [EAGER, {"jit_compile": False}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow), {}],
    ids=["eager", "graph", "xla", "default"],
)
@pytest.mark.few(1)
def test_inside_another_model_it_learns_by_back_propagation(options):
    """Through the steps of mean field; what the outer loss does not depend on has a gradient of zero: no warning."""
    model, dbm = outer(**options)
    used = [*dbm.kernels, *(layer.bias for layer in dbm.hidden)]
    before = [np.array(x) for x in used]
    bias = np.array(dbm.visible.bias)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(X, Y, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.02
    for a, b in zip(before, used, strict=True):
        assert np.any(a != np.array(b))
    np.testing.assert_array_equal(dbm.visible.bias, bias)


def test_inside_another_model_it_comes_back(tmp_path):
    model, _ = outer(**EAGER)
    model.fit(X, Y, verbose=0)
    loaded = through_disk(model, tmp_path)
    np.testing.assert_array_equal(loaded(X), model(X))
    assert_same_state(model, loaded)


def test_as_a_layer_it_is_encode():
    dbm = dbm_of(4, 3, 2)
    np.testing.assert_array_equal(dbm(X), dbm.encode(X))
    np.testing.assert_array_equal(dbm(X), dbm.mean_field(X)[-1])
    assert dbm.compute_output_shape((None, 5)) == (None, 2)
    assert dbm(keras.Input((5,))).shape == (None, 2)
    np.testing.assert_allclose(compiled(dbm).predict(X, verbose=0), dbm(X), rtol=1e-5)


# --- precision


@pytest.mark.parametrize(
    ("policy", "compute", "kept"), [("float64", "float64", "float64"), ("mixed_float16", "float16", "float32")]
)
def test_policies(policy, compute, kept):
    dbm = compiled(dbm_of(4, 3, num_classes=2, dtype=policy, tolerance=0.01))
    assert {w.dtype for w in dbm.kernels} == {kept}
    assert dbm.state_dtype == dbm.sampler.chains.dtype == dbm.offsets[0].dtype == kept
    assert dbm(X).dtype == compute
    assert dbm.variational_free_energy(X).dtype == dbm.sample(2, 2).dtype == kept
    assert {x.dtype for x in dbm.mean_field(X)} == {tf.as_dtype(kept)}
    history = dbm.fit(X, Y, epochs=2, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    if policy == "mixed_float16":
        reference = dbm_of(4, 3, num_classes=2, tolerance=0.01)
        half = dbm_of(4, 3, num_classes=2, dtype=policy, tolerance=0.01)
        # Weights and states rounded to 11 bits, twelve products of order 1 in a field.
        np.testing.assert_allclose(half.mean_field(X)[1], reference.mean_field(X)[1], atol=12 * 2**-11)
        np.testing.assert_allclose(
            half.variational_free_energy(X), reference.variational_free_energy(X), atol=40 * 2**-11
        )


def test_classifiers_of_other_policies():
    dbm = dbm_of(4, 3, 2, dtype="float64", tolerance=1e-7)
    reference = dbm_of(4, 3, 2, tolerance=1e-7)
    for machine in (dbm, reference):
        x = np.asarray(machine.augment(X))
        net = machine.classifier(2)
        assert_rounded(np.float32(net.get_layer("hidden_1")(x[:, :8])), np.float32(machine.mean_field(X)[0]), 100)


# --- classes


@pytest.mark.parametrize(
    ("kinds", "num_classes"), [(("bernoulli",) * 3, 3), (("bernoulli", "spin", "binomial", "spin"), 2)]
)
@pytest.mark.few(1)
def test_class_probabilities_are_the_softmax_of_bounds(kinds, num_classes):
    """By hand, each case with each class; close to what all states say."""
    dbm = random_dbm(kinds, scale=0.3, num_classes=num_classes)
    exact = ExactDBM(dbm, kinds)
    v = exact.states[0]
    bounds = []
    for k in range(num_classes):
        y = tf.fill([len(v)], k)
        means = {i: np.asarray(x) for i, x in dbm._posterior(v, y).means.items()}
        np.testing.assert_array_equal(means[len(exact.states) - 1], np.eye(num_classes)[[k] * len(v)])
        bound = np.zeros(len(v))
        for i, group in enumerate(dbm.groups):
            bound += means[i] @ np.asarray(group.bias)
            if 0 < i < len(exact.states) - 1:  # entropy and base of independent units in the fields that give the means
                field = np.asarray(group.bias) + means[i - 1] @ np.asarray(dbm.kernels[i - 1])
                field = field + means[i + 1] @ np.asarray(dbm.kernels[i]).T
                own = field @ exact.states[i].T + exact.log_measures[i]
                bound += np.log(np.exp(own).sum(1)) - (field * means[i]).sum(1)
        for i, kernel in enumerate(dbm.kernels):
            bound += (means[i] @ np.asarray(kernel) * means[i + 1]).sum(1)
        bounds.append(bound)
    log_p = log_softmax(np.stack(bounds, 1), 1)
    found = np.asarray(dbm.class_log_probs(v))
    np.testing.assert_allclose(found, log_p, atol=1e-9)
    np.testing.assert_array_equal(dbm.classify(v), log_p.argmax(1))
    np.testing.assert_array_equal(dbm.classify(tf.data.Dataset.from_tensor_slices(v).batch(3)), log_p.argmax(1))
    assert dbm.classify(v).dtype == "int64"


def test_class_probabilities_are_close_to_the_exact_ones():
    """Of layers that hand on what they see: an error small beside how much the answers differ between cases."""
    kinds = ("bernoulli",) * 3
    dbm = random_dbm(kinds, scale=0.4, num_classes=3)
    for kernel in dbm.kernels:
        kernel.assign_add(2 * np.eye(*kernel.shape))
    for below, kernel, above in zip(dbm.groups, dbm.kernels, dbm.groups[1:], strict=False):
        below.bias.assign_add(-np.sum(kernel, 1) / 2)
        above.bias.assign_add(-np.sum(kernel, 0) / 2)
    exact = ExactDBM(dbm, kinds)
    truth = np.exp(log_softmax(exact.log_p_of(0, len(exact.states) - 1), 1))
    error = np.abs(np.exp(dbm.class_log_probs(exact.states[0])) - truth).max()
    assert error < 0.25 * np.ptp(truth, 0).max()
    assert np.ptp(truth, 0).max() > 0.1


@pytest.mark.parametrize("sizes", [(3,) * 2, (3,) * 3], ids=str)
@pytest.mark.few(1)
def test_dreams_of_a_list_of_classes(sizes):
    """Each sample with its own class, whose conditional it comes from."""
    kinds = ("bernoulli",) * (1 + len(sizes))
    dbm = random_dbm(kinds, scale=0.7, num_classes=2, dtype="float32", tolerance=1e-5)
    exact = ExactDBM(dbm, kinds)
    wanted = np.arange(16000) % 2
    log_p = exact.log_p_of(0, len(exact.states) - 1)
    key = np.array(dbm.stream.key)
    samples = dbm.sample(len(wanted), num_steps=40, y=wanted)
    found = index(exact.states[0], samples)
    for k in (0, 1):
        assert_frequencies(found[wanted == k], np.exp(log_softmax(log_p[:, k])))
    dbm.stream.key.assign(key)
    np.testing.assert_array_equal(dbm.sample(len(wanted), num_steps=40, y=wanted.tolist()), samples)
    assert dbm.sample(y=[1, 0, 1], num_steps=2, mean=True).shape == (3, 3)
    assert dbm.sample(5, y=1, num_steps=2).shape == (5, 3)
    from_data = dbm.sample(v=exact.states[0], y=np.zeros(8, int), num_steps=2)
    assert from_data.shape == (8, 3)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
@pytest.mark.few(1)
def test_pixels_and_labels_can_be_held_together(sizes):
    dbm = dbm_of(*sizes, num_classes=2)
    values = np.array([1, np.nan, 0, np.nan, np.nan, 0, 1])
    found = np.asarray(dbm.sample(60, num_steps=3, clamp="observed", values=values))
    np.testing.assert_array_equal(found[:, [0, 2]], np.tile([1, 0], (60, 1)))
    assert all(len(np.unique(found[:, i])) == 2 for i in (1, 3, 4))


@pytest.mark.slow
def test_two_classes_are_learnt_and_dreamt_of():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    clean = np.where(y[:, None] == 1, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    x = np.abs(clean - (rng.random(clean.shape) < 0.05)).astype("float32")
    dbm = DBM([6, 8], num_classes=2, seed=0)
    options = {"batch_size": 50, "verbose": 0}
    optimizer = keras.optimizers.Adam(0.03)
    dbm.pretrain(np.tile(x, (8, 1)), y=np.tile(y, 8), epochs=1, optimizer=optimizer, jit_compile=False, **options)
    dbm.compile(keras.optimizers.SGD(0.05), jit_compile=False)
    dbm.fit(np.tile(x, (20, 1)), np.tile(y, 20), **options)
    assert np.mean(dbm.classify(x) == y) > 0.98
    wanted = np.repeat([0, 1], 200)
    dreams = dbm.sample(y=wanted, num_steps=100).numpy()
    assert np.mean((dreams[:, :3].sum(1) > dreams[:, 3:].sum(1)) == wanted) > 0.75
