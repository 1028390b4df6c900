"""The classification RBM: its classes, its three gradients, and all that a Keras model can."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, logsumexp

from keras_rbm import DBN, ClassificationRBM, samplers, units
from keras_rbm.likelihood import log_likelihood
from tests.oracles.kinds import PRECISIONS, binary_states
from tests.oracles.machines import Fixed, centered, randomize
from tests.oracles.rbm import Exact, parameters
from tests.support.modes import MODES
from tests.support.rewind import rewinding
from tests.support.statistics import assert_frequencies, assert_rounded
from tests.support.steps import gradients_of
from tests.support.weights import assert_equal_weights, weights_of

CLASSES = 3
#: Kinds of visible and hidden units, and visible states.
KINDS = {
    "bernoulli": ("bernoulli", "bernoulli", binary_states(4)),
    "spin": ("spin", "spin", 2 * binary_states(4) - 1),
    "gaussian": (
        lambda: units.Gaussian(PRECISIONS, dtype="float64"),
        "bernoulli",
        np.random.default_rng(0).normal(size=(9, 3)),
    ),
    "softmax-binomial": (
        lambda: units.Softmax(2, dtype="float64"),
        lambda: units.Binomial(3, dtype="float64"),
        np.float64([[0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]] * 3),
    ),
    "real hidden": ("bernoulli", lambda: units.Gaussian([1.5, 0.7], dtype="float64"), binary_states(4)),
}


def machine_of(kind: str = "bernoulli", **kwargs) -> tuple[ClassificationRBM, np.ndarray, np.ndarray]:
    """A random machine of 2 hidden units in float64, visible states and their classes."""
    visible, hidden, x = KINDS[kind]
    made = [side() if callable(side) else side for side in (visible, hidden)]
    kwargs = {"visible": made[0], "hidden": made[1], "dtype": "float64", "seed": 0, **kwargs}
    machine = ClassificationRBM(2, CLASSES, **kwargs)
    machine.build((None, x.shape[1]))
    randomize(machine)
    return machine, x, np.arange(len(x)) * 7 % CLASSES


def with_class(x: np.ndarray, k) -> np.ndarray:
    return np.concatenate([x, np.broadcast_to(np.eye(CLASSES)[k], (len(x), CLASSES))], 1)


def log_joint(machine: ClassificationRBM, v: np.ndarray, wbc=None) -> tf.Tensor:
    """`-F(v)` of visible units and labels together up to a constant, the hidden states summed one by one."""
    return tf.reduce_logsumexp(Exact(machine.undirected()).log_joint(v, wbc), 1)


def by_enumeration(machine: ClassificationRBM, x: np.ndarray) -> np.ndarray:
    return log_softmax(np.stack([log_joint(machine, with_class(x, k)) for k in range(CLASSES)], 1), 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.few(3)
def test_class_probabilities_by_enumeration(kind):
    machine, x, y = machine_of(kind)
    expected = by_enumeration(machine, x)
    np.testing.assert_allclose(machine.class_log_probs(x), expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(machine.classify(x), expected.argmax(1))
    machine.compile("sgd", run_eagerly=True)
    np.testing.assert_allclose(machine(x), np.exp(expected), rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        machine.predict(x, verbose=0), np.exp(expected), rtol=0, atol=1e-6
    )  # Keras feeds float32
    logs = machine.evaluate(x, y, verbose=0, return_dict=True)
    share = np.mean(expected.argmax(1) == y)
    assert 0 < share < 1
    np.testing.assert_allclose(logs["accuracy"], share, rtol=1e-6)
    np.testing.assert_allclose(logs["cross_entropy"], -np.mean(expected[np.arange(len(y)), y]), rtol=1e-6)


# --- learning


def exact_lesson(machine, x, y, weights, v_model) -> dict[str, list[np.ndarray]]:
    """Gradients in W, b and c of `-log p(y | x)` and of `F(x, y) - F(samples)`, by autodiff through the sums."""
    share, variables = weights / weights.sum(), [tf.Variable(p) for p in parameters(machine.undirected())[:3]]
    with tf.GradientTape(persistent=True) as tape:
        classes = tf.stack([log_joint(machine, with_class(x, k), variables) for k in range(CLASSES)], 1)
        log_p = tf.gather(tf.nn.log_softmax(classes), y, batch_dims=1)
        discriminative = -tf.reduce_sum(share * log_p)
        data = log_joint(machine, with_class(x, y), variables)
        joint = tf.reduce_mean(log_joint(machine, v_model, variables)) - tf.reduce_sum(share * data)
    found = {"discriminative": discriminative, "joint": joint}
    return {name: [g.numpy() for g in tape.gradient(loss, variables)] for name, loss in found.items()}


def some_weights(x: np.ndarray, weighted: bool) -> np.ndarray:
    return np.random.default_rng(1).random(len(x)) if weighted else np.ones(len(x))


@functools.cache
def fixed_machine(kind: str, centring: bool) -> tuple[ClassificationRBM, np.ndarray, np.ndarray, np.ndarray]:
    """One machine for all objectives, as a lesson changes nothing; its data, and the samples that it always has."""
    v_model = with_class(KINDS[kind][2][::-2], 1)
    options = {"centered": centring, "offset_rate": 1.0, "generative_weight": 0.3}
    return *machine_of(kind, sampler=Fixed(v_model), **options), v_model


@functools.cache
def lesson_by_sums(kind: str, weighted: bool) -> tuple[dict[str, list[np.ndarray]], np.ndarray, np.ndarray]:
    """`exact_lesson`, the log-probabilities of all classes, and the free-energy difference of each case."""
    machine, x, y, v_model = fixed_machine(kind, False)
    difference = np.mean(log_joint(machine, v_model)) - log_joint(machine, with_class(x, y)).numpy()
    return exact_lesson(machine, x, y, some_weights(x, weighted), v_model), by_enumeration(machine, x), difference


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize("objective", ["joint", "discriminative", "hybrid"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.few(30)
def test_gradients_of_three_objectives(kind, objective, centring, weighted):
    """The discriminative one is exact and never centred; the hybrid is it and a share of the other."""
    machine, x, y, _ = fixed_machine(kind, centring)
    machine._head.objective = objective
    weights = some_weights(x, weighted)
    sums, log_p, difference = lesson_by_sums(kind, weighted)
    exact = dict(sums)
    if centring:
        v = with_class(x, y)
        mu, lam = (np.average(a, 0, weights) for a in (v, np.array(machine.undirected().mean_h_from_v(v))))
        exact["joint"] = centered(exact["joint"], mu, lam)
    pairs = list(zip(exact["discriminative"], exact["joint"], strict=True))
    expected = {**exact, "hybrid": [d + 0.3 * j for d, j in pairs]}[objective]
    lesson = gradients_of(machine, tf.constant(x), tf.constant(weights), tf.constant(y, tf.int32))
    found = {id(variable): np.array(g) for variable, g in lesson.gradients}
    top = machine.undirected()
    for variable, gradient in zip((top.w_rec, top.visible.bias, top.hidden.bias), expected, strict=True):
        np.testing.assert_allclose(found[id(variable)], gradient, rtol=0, atol=1e-10)
    cross_entropy = -log_p[np.arange(len(y)), y]
    if objective != "joint":
        np.testing.assert_allclose(lesson.values["cross_entropy"], cross_entropy, atol=1e-10)
        np.testing.assert_array_equal(lesson.values["accuracy"], log_p.argmax(1) == y)
    loss = {"joint": difference, "discriminative": cross_entropy, "hybrid": cross_entropy + 0.3 * difference}
    np.testing.assert_allclose(lesson.values["loss"], loss[objective], atol=1e-10)


@pytest.mark.parametrize("objective", ["joint", "discriminative", "hybrid"])
def test_a_precision_that_is_learnt(objective):
    """Of hidden units it moves the classes' probabilities: central differences; of visible ones it cannot."""
    machine = ClassificationRBM(
        2,
        CLASSES,
        objective,
        visible=units.Gaussian(learn_precision=True, dtype="float64"),
        hidden=units.Gaussian([1.5, 2.5], learn_precision=True, dtype="float64"),
        sampler=Fixed(np.ones((1, 6))),
        kernel_constraint="max_norm",
        dtype="float64",
    )
    machine.build((None, 3))
    top = machine.undirected()
    top.w_rec.assign(np.random.default_rng(0).normal(0, 0.4, (6, 2)))
    x, y = np.random.default_rng(1).normal(size=(5, 3)), np.array([0, 1, 2, 0, 1])
    lesson = gradients_of(machine, tf.constant(x), tf.ones(5, "float64"), tf.constant(y, tf.int32))
    found = {id(variable): np.array(g) for variable, g in lesson.gradients}
    assert len(found) == len(machine.trainable_variables) == 5
    if objective != "discriminative":
        return
    log_precision = top.hidden.log_precision
    for i in range(2):
        step, ends = 1e-5 * np.eye(2)[i], []
        for sign in (1, -1):
            log_precision.assign_add(sign * step)
            ends.append(-np.mean(np.array(machine.class_log_probs(x))[np.arange(5), y]))
            log_precision.assign_sub(sign * step)
        np.testing.assert_allclose(found[id(log_precision)][i], (ends[0] - ends[1]) / 2e-5, atol=1e-8)
    np.testing.assert_array_equal(found[id(top.visible.parts[0].log_precision)], np.zeros(3))


@pytest.mark.parametrize("objective", ["joint", "discriminative", "hybrid"])
@pytest.mark.few(1)
def test_training(objective):
    """A class that two of four pixels decide; samples of a class, where these are learnt, are of it."""
    x, rng = np.tile(binary_states(4), (20, 1)).astype("float32"), np.random.default_rng(0)
    x = x[np.abs(x[:, 0] - x[:, 1]) == 0]
    y = x[:, 0].astype(int)
    machine = ClassificationRBM(6, 2, objective, generative_weight=0.5, seed=0)
    machine.compile(keras.optimizers.Adam(0.05), jit_compile=False)
    order = rng.permutation(np.tile(np.arange(len(x)), 30))
    options = {"batch_size": 40, "validation_batch_size": len(x), "validation_data": (x, y), "verbose": 0}
    history = machine.fit(x[order], y[order], **options).history
    graded = {"cross_entropy", "accuracy"}
    logged = {k.removeprefix("val_") for k in history if k.startswith("val_")}
    assert logged == {"loss", "reconstruction_error"} | graded
    assert logged - {k for k in history if not k.startswith("val_")} == (graded if objective == "joint" else set())
    assert history["val_accuracy"][-1] == 1.0
    assert history["val_cross_entropy"][-1] < 0.1
    if objective != "discriminative":
        classes = np.repeat([0, 1], 200)
        assert np.mean(machine.sample(y=classes, num_steps=50).numpy()[:, 0] == classes) > 0.9


def test_samples_of_classes_by_enumeration():
    machine, _, _ = machine_of()
    table = Exact(machine.undirected())
    y = np.repeat([2, 0], 8000)
    v = machine.sample(y=y, num_steps=60)
    assert v.shape == (16000, 4)
    held = np.array([False] * 4 + [True] * CLASSES)
    index = table.index(with_class(v, y))
    for k in (2, 0):
        assert_frequencies(index[y == k], table.conditional(held, np.r_[np.zeros(4), np.eye(CLASSES)[k]]))


def test_labels_are_summed_out_of_the_likelihood():
    machine, x, _ = machine_of()
    table = Exact(machine.undirected())
    expected = [np.log(table.p_v[table.agreeing([True] * 4 + [False] * 3, np.r_[row, 0, 0, 0])].sum()) for row in x]
    found = log_likelihood(machine, x, num_samples=2)
    np.testing.assert_allclose(found.per_case_lower, expected, rtol=0, atol=1e-9)
    assert_rounded(logsumexp(expected), np.float64(0.0))


# --- a citizen of Keras


@pytest.mark.parametrize("kind", ["bernoulli", "softmax-binomial"])
def test_it_comes_back(kind, tmp_path):
    sampler = samplers.PCD(num_chains=5, dtype="float64")
    objective = {"bernoulli": "joint"}.get(kind, "discriminative")
    machine, x, y = machine_of(kind, objective=objective, generative_weight=0.25, sampler=sampler)
    machine.compile("adam", run_eagerly=True)
    machine.fit(x, y, verbose=0)
    machine.save(tmp_path / "machine.keras")
    loaded = keras.models.load_model(tmp_path / "machine.keras")
    assert type(loaded) is ClassificationRBM
    assert loaded.get_config()["units"] == 2
    assert loaded._head.get_config() == {"num_classes": CLASSES, "objective": objective, "generative_weight": 0.25}
    np.testing.assert_array_equal(loaded.class_log_probs(x), machine.class_log_probs(x))
    for each in (machine, loaded):
        each.reset_metrics()
    assert machine.train_on_batch(x, y, return_dict=True) == loaded.train_on_batch(x, y, return_dict=True)
    for a, b in zip(machine.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_saved_model_answers_for_classes(tmp_path):
    machine, x, _ = machine_of(dtype="float32")
    machine.export(tmp_path / "machine")
    exported = tf.saved_model.load(tmp_path / "machine")
    assert {"encode", "reconstruct", "class_log_probs", "sample"} <= set(exported.signatures)
    found = exported.signatures["class_log_probs"](v=tf.constant(x, tf.float32))
    assert_rounded(next(iter(found.values())), machine.class_log_probs(x), ulps=50)
    assert exported.sample(tf.constant(7), tf.constant(2)).shape == (7, 4)


def test_adapting_sets_the_bias_of_the_data_and_not_of_labels():
    machine, x, _ = machine_of()
    machine.undirected().visible.bias.assign(np.arange(7.0))
    machine.adapt(x[:5])
    p = (x[:5].sum(0) + 0.5) / 6
    assert_rounded(machine.undirected().visible.bias, np.r_[np.log(p / (1 - p)), 4, 5, 6])


def test_as_a_layer():
    machine, x, _ = machine_of(dtype="float32")
    model = keras.Sequential([keras.Input((4,)), machine])
    assert model.output_shape == (None, CLASSES)
    assert_rounded(model(x), np.exp(machine.class_log_probs(x)), ulps=50)


# --- what is refused

X, Y = binary_states(4).astype("float32"), np.arange(16) % CLASSES
BAD = {
    "none": (None, r"num_classes=3 learns from labels too. Received: y=None"),
    "fewer": (Y[:5], r"integers of shape \(16,\). Received: shape=\(5,\)"),
    "one-hot": (np.eye(3)[Y], r"integers of shape \(16,\). Received: shape=\(16, 3\)"),
    "too large": (np.where(Y > 1, 3, Y), "integers from 0 to 2. Received: 3"),
    "negative": (Y - 1, "integers from 0 to 2. Received: -1"),
    "between": (Y + 0.25, "integers from 0 to 2. Received: 0.25"),
    "NaN": (np.where(Y > 1, np.nan, Y), "integers from 0 to 2. Received: nan"),
    "words": (Y.astype(str), r"dtype=(<U|object)"),
    "booleans": (Y > 1, "dtype=bool"),
}
MACHINES = {
    "dbn": lambda: DBN([4, 3], num_classes=CLASSES, seed=0),
    "classification": lambda: ClassificationRBM(3, CLASSES, seed=0),
}


def compiled(machine, **kwargs):
    machine.build((None, 4))
    machine.compile(keras.optimizers.SGD(0.5), **{"run_eagerly": True, **kwargs})
    return machine


@pytest.mark.parametrize("make", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize(("y", "message"), BAD.values(), ids=BAD)
def test_labels_that_are_refused(make, y, message):
    machine = compiled(make())
    before = machine.get_weights()
    uses = [
        lambda: machine.fit(X, y, verbose=0),
        lambda: machine.fit(X, Y, validation_data=X if y is None else (X, y), verbose=0),
        lambda: machine.evaluate(X, y, verbose=0),
        lambda: machine.train_on_batch(X, y),
    ]
    if isinstance(machine, DBN):
        uses += [
            lambda: machine.pretrain(X, y=y, verbose=0),
            lambda: machine.pretrain(X, y=Y, validation_data=X if y is None else (X, y), epochs=1, verbose=0),
        ]
    for use in uses:
        with pytest.raises(ValueError, match=message):
            use()
    data = X if y is None else (X[: len(y)], y)
    stream = tf.data.Dataset.from_tensor_slices(data).batch(16)
    if y is None or len(y) == 16:
        with pytest.raises(ValueError, match=message):
            machine.fit(stream, verbose=0)
    for a, b in zip(machine.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def in_fours(y: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X[: len(y)], y)).batch(4)


@pytest.fixture(scope="module")
def learner():
    """Machines compiled once, at their start, and their parameters after two good batches; two steps an execution."""

    @functools.cache
    def made(kind: str, mode: str) -> tuple:
        machine = compiled(MACHINES[kind](), steps_per_execution=2, **{"run_eagerly": False, **MODES[mode]})
        rewind = rewinding(machine)
        machine.fit(in_fours(Y[:8]), verbose=0)
        after = weights_of(machine)
        return machine, rewind, after

    return made


@pytest.mark.parametrize(
    ("kind", "value", "mode"),
    [
        *(("dbn", value, "eager") for value in (3, -1, np.nan)),
        ("dbn", 3, "graph"),
        *(("classification", 3, mode) for mode in MODES),
        *((kind, value, "eager") for kind in MACHINES for value in (0.5, -0.5)),
    ],
    ids=str,
)
@pytest.mark.few(3)
def test_a_bad_label_in_a_later_batch(learner, kind, value, mode):
    """Four batches, the third bad: what is left is what the two before it made."""
    machine, rewind, after = learner(kind, mode)
    rewind()
    assert any(np.any(a != b) for a, b in zip(weights_of(machine), after, strict=True))
    y = Y.astype("float32" if isinstance(value, float) else "int64")
    y[9] = value
    with pytest.raises(ValueError, match=r"integers from 0 to 2\. Received: a batch with others"):
        machine.fit(in_fours(y), verbose=0)
    assert_equal_weights(weights_of(machine), after)
    assert machine.optimizer.iterations == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"objective": "generative"},
            "must be one of joint, discriminative, hybrid.* Received: objective='generative'",
        ),
        ({"generative_weight": 0.0}, "`generative_weight` must be positive. Received: 0.0"),
        ({"generative_weight": -1.0}, "positive. Received: -1.0"),
        ({"generative_weight": np.nan}, "positive. Received: nan"),
        ({"generative_weight": np.inf}, "positive. Received: inf"),
        ({"num_classes": 1}, "`num_classes` must be at least 2. Received: num_classes=1"),
        ({"num_classes": 2.0}, "`num_classes` must be a positive integer. Received: num_classes=2.0"),
        ({"units": 0}, "`units` must be a positive integer"),
    ],
    ids=str,
)
def test_bad_machines(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassificationRBM(**{"units": 3, "num_classes": 3, **arguments})


def test_machines_without_labels_know_no_classes():
    dbn = DBN([4, 3], seed=0)
    dbn.build((None, 4))
    for use in (dbn.class_log_probs, dbn.classify):
        with pytest.raises(ValueError, match="without label units knows no classes"):
            use(X)


def test_a_case_of_another_width_has_no_class():
    machine = compiled(MACHINES["classification"]())
    for use in (machine.classify, machine.class_log_probs):
        with pytest.raises(ValueError, match=r"\(batch, 4\). Received: shape=\(16, 3\)"):
            use(X[:, :3])
    with pytest.raises(ValueError, match="max=255"):
        machine.classify(255 * X)


def test_options_of_the_visible_bias_survive_a_round_trip():
    """They belong to the group with labels, and the config gives them back to the units."""
    visible = units.Bernoulli(bias_initializer="ones", bias_regularizer=keras.regularizers.L2(0.1))
    rbm = ClassificationRBM(2, 3, visible=visible, seed=0)
    again = ClassificationRBM.from_config(rbm.get_config())
    assert isinstance(again.undirected().visible.bias_regularizer, keras.regularizers.L2)
    again.build((None, 4))
    np.testing.assert_array_equal(again.undirected().visible.bias, np.ones(7))
