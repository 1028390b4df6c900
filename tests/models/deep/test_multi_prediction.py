"""Multi-prediction training against mean field unrolled by hand: its error, its gradient, its masks, what it learns."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, load
from keras_rbm.models.deep import multi_prediction
from keras_rbm.models.deep.multi_prediction import masked_sites
from tests.oracles.dbm import Unrolled, random_dbm
from tests.oracles.kinds import KINDS
from tests.support.modes import MODES, uncompiled
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import assert_frequencies, assert_rounded

#: Kinds of layers, the data's first, and how many classes there are: labels are an odd layer, or an even one.
STACKS = {
    "two": (("bernoulli",) * 3, 3),
    "three": (("bernoulli", "spin", "binomial", "bernoulli"), 2),
    "without labels": (("discrete", "bernoulli", "softmax"), 0),
    "real data": (("mixed", "bernoulli", "binomial"), 3),
}
NUMBER, STEPS = 6, 3


def machine(name: str, **kwargs) -> DBM:
    kinds, num_classes = STACKS[name]
    options = {"objective": "multi_prediction", "mean_field_steps": STEPS, "num_classes": num_classes or None}
    return random_dbm(kinds, **{"seed": 0, **options, **kwargs})


class Cases:
    """Data, classes, and which of their sites are masked, of a stack."""

    def __init__(self, name: str) -> None:
        kinds, self.num_classes = STACKS[name]
        rng = np.random.default_rng(5)
        parts = [KINDS[kinds[0]], *([Unrolled(kinds, self.num_classes, 1).kinds[-1]] if self.num_classes else [])]
        states, masks, masked = [], [], []
        for kind in parts:
            states.append(np.hstack([site.states[rng.integers(0, len(site.states), NUMBER)] for site in kind.sites]))
            masks.append(rng.integers(0, 2, (NUMBER, len(kind.sites))).astype("float64"))
            widths = [site.states.shape[1] for site in kind.sites]
            masked.append(np.repeat(masks[-1], widths, 1))
        numbers = [0, len(kinds)][: len(parts)]
        self.known, self.masks, self.masked = (dict(zip(numbers, x, strict=True)) for x in (states, masks, masked))
        self.v, self.y = states[0], states[1].argmax(1) if self.num_classes else None


def parameters(dbm: DBM) -> list[np.ndarray]:
    return [np.array(x) for x in [*dbm.kernels, *(group.bias for group in dbm.groups)]]


@pytest.fixture
def masks(monkeypatch):
    """Sets the masks that learning draws."""

    def given(found) -> None:
        tensors = {i: tf.constant(x) for i, x in found.items()}
        monkeypatch.setattr(multi_prediction, "masked_sites", lambda *_: tensors)

    return given


# --- the error, and its gradient


@pytest.mark.parametrize("name", STACKS)
def test_the_gradient_is_that_of_mean_field_unrolled(name, masks):
    """By differences of what NumPy computes, along a random direction of each kernel and bias; cases have weights."""
    kinds, num_classes = STACKS[name]
    cases, oracle = Cases(name), Unrolled(kinds, num_classes, STEPS)
    dbm = machine(name, centered=False)
    dbm.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    masks(cases.masks)
    start, weights = parameters(dbm), np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0])
    logs = dbm.train_on_batch(cases.v, cases.y, sample_weight=weights, return_dict=True)

    def error(values: list[np.ndarray]) -> float:
        number = len(values) // 2
        errors = oracle.errors(values[:number], values[number:], cases.known, cases.masked)
        return weights @ errors / weights.sum()

    np.testing.assert_allclose(logs["loss"], error(start), rtol=1e-6)
    rng = np.random.default_rng(0)
    for i, (old, new) in enumerate(zip(start, parameters(dbm), strict=True)):
        along = rng.normal(0, 1, old.shape)
        ahead, behind = ([*start[:i], old + step * along, *start[i + 1 :]] for step in (1e-5, -1e-5))
        expected = (error(ahead) - error(behind)) / 2e-5
        assert abs(expected) > 1e-4
        np.testing.assert_allclose(np.sum((old - new) * along), expected, rtol=1e-5, atol=1e-8)


def test_precisions_learn_too(masks):
    """Of real units: what a step subtracts from the log-precision is the slope of the error."""
    cases, oracle = Cases("real data"), Unrolled(*STACKS["real data"], STEPS)
    data = oracle.kinds[0]
    dbm = DBM(
        [3, 2],
        data.make(learn=True, dtype="float64"),
        ["bernoulli", KINDS["binomial"].make(dtype="float64")],
        num_classes=3,
        objective="multi_prediction",
        mean_field_steps=STEPS,
        dtype="float64",
        seed=0,
    )
    dbm.build((None, 5))
    dbm.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    masks(cases.masks)
    start, (log_precision,) = parameters(dbm), dbm.visible.other_parameters
    before = np.array(log_precision)
    dbm.train_on_batch(cases.v, cases.y)

    def error(shift: float) -> float:
        oracle.kinds[0] = data._replace(gamma=data.gamma * np.exp(shift))
        return oracle.errors(start[:3], start[3:], cases.known, cases.masked).mean()

    slope = (error(1e-5) - error(-1e-5)) / 2e-5
    np.testing.assert_allclose((before - np.array(log_precision)).sum(), slope, rtol=1e-6)


def test_centred_its_weights_learn_by_the_gradient_in_centred_states(masks):
    """The documented transform of the plain one, offsets being means of what is known, and of what is inferred."""
    cases = Cases("two")
    masks(cases.masks)
    weights, steps = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0]), []
    start = parameters(machine("two"))
    for centred in (False, True):
        dbm = machine("two", centered=centred, offset_rate=1.0)
        dbm.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
        dbm.train_on_batch(cases.v, cases.y, sample_weight=weights)
        steps.append([a - b for a, b in zip(start, parameters(dbm), strict=True)])
    _, means = Unrolled(*STACKS["two"], STEPS).fields_and_means(start[:3], start[3:], cases.known, cases.masked)
    offsets = [np.average(cases.known.get(i, mean), 0, weights) for i, mean in enumerate(means)]
    for found, expected in zip(dbm.offsets, offsets, strict=True):
        assert_rounded(found, expected)
    kernels, biases = steps[0][:3], steps[0][3:]
    moved = [x.copy() for x in biases]
    for i, dw in enumerate(kernels):
        kernels[i] = dw - np.outer(offsets[i], biases[i + 1]) - np.outer(biases[i], offsets[i + 1])
        moved[i] -= kernels[i] @ offsets[i + 1]
        moved[i + 1] -= kernels[i].T @ offsets[i]
    for found, expected in zip(steps[1], [*kernels, *moved], strict=True):
        assert_rounded(found, expected)


# --- masks


@pytest.mark.parametrize("name", ["three", "without labels", "real data"])
def test_each_site_is_masked_by_itself_and_as_often_as_asked(name):
    """All patterns of masked sites of data and label, a softmax group being one site, as often as chance has it."""
    dbm, cases = machine(name), Cases(name)
    known = {i: tf.constant(np.tile(x, (3000, 1))) for i, x in cases.known.items()}
    found = np.hstack([np.asarray(x) for x in masked_sites(dbm, known, 0.3, dbm.stream).values()])
    number = found.shape[1]
    assert number == sum(x.shape[1] for x in cases.masks.values())
    patterns = np.arange(2**number)[:, None] >> np.arange(number) & 1
    assert_frequencies((found @ 2 ** np.arange(number)).astype(int), np.where(patterns, 0.3, 0.7).prod(1))


def test_masks_are_drawn_anew_in_each_step_at_the_machines_rate(monkeypatch):
    seen = []

    def spied(dbm, known, rate, draws):
        assert rate == 0.25
        seen.append(masked_sites(dbm, known, rate, draws))
        return seen[-1]

    monkeypatch.setattr(multi_prediction, "masked_sites", spied)
    dbm, cases = machine("two", mask_rate=0.25), Cases("two")
    dbm.compile("sgd", run_eagerly=True)
    dbm.fit(np.tile(cases.v, (2, 1)), np.tile(cases.y, 2), batch_size=NUMBER, verbose=0)
    assert len(seen) == 2
    assert any(np.any(np.array(seen[0][i]) != np.array(seen[1][i])) for i in (0, 3))


# --- classes


@pytest.mark.parametrize("half", [False, True], ids=["", "multi-inference"])
@pytest.mark.parametrize("name", ["two", "three", "real data"])
@pytest.mark.few(3)
def test_classes_are_what_mean_field_infers_of_the_labels(name, half):
    """In as many steps as were learnt, whether labels are an odd layer or an even one; data count half, if asked."""
    kinds, num_classes = STACKS[name]
    dbm, cases, top = machine(name, multi_inference=half), Cases(name), len(STACKS[name][0])
    start, number = parameters(dbm), top
    masked = {0: np.full(cases.v.shape, 0.5 * half), top: np.ones((NUMBER, num_classes))}
    oracle = Unrolled(kinds, num_classes, STEPS)
    fields, _ = oracle.fields_and_means(start[:number], start[number:], cases.known, masked)
    expected = fields[top] - np.log(np.exp(fields[top]).sum(1, keepdims=True))
    assert_rounded(dbm.class_log_probs(cases.v), expected)
    logs = dbm_evaluated(dbm, cases)
    np.testing.assert_allclose(logs["cross_entropy"], -expected[np.arange(NUMBER), cases.y].mean(), rtol=1e-6)
    assert logs["accuracy"] == pytest.approx(np.mean(expected.argmax(1) == cases.y))


def dbm_evaluated(dbm: DBM, cases: Cases) -> dict[str, float]:
    dbm.compile("sgd", run_eagerly=True)
    return dbm.evaluate(cases.v, cases.y, verbose=0, return_dict=True)


# --- learning


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_steps_are_alike_however_they_are_run(mode, masks):
    """Through the gradient of a loop that XLA, or a graph, differentiates."""
    cases = Cases("two")
    masks(cases.masks)
    eager, dbm = (machine("two") for _ in range(2))
    eager.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    dbm.compile(keras.optimizers.SGD(0.5), **MODES[mode])
    for one in (eager, dbm):
        one.train_on_batch(cases.v, cases.y)
    for a, b in zip(parameters(eager), parameters(dbm), strict=True):
        assert_rounded(a, b)


def test_the_next_step_after_a_reload_is_the_same(tmp_path):
    cases = Cases("two")
    dbm = machine("two", mask_rate=0.25, multi_inference=True, dtype="float32")
    dbm.compile(keras.optimizers.SGD(0.1, momentum=0.5), run_eagerly=True)
    dbm.train_on_batch(cases.v, cases.y)
    loaded = through_disk(dbm, tmp_path)
    assert (loaded.objective, loaded.mask_rate, loaded.mean_field_steps) == ("multi_prediction", 0.25, STEPS)
    assert loaded.multi_inference
    for one in (dbm, loaded):
        one.reset_metrics()
    logs = [one.train_on_batch(cases.v, cases.y, return_dict=True) for one in (dbm, loaded)]
    assert logs[0] == logs[1]
    assert_same_state(dbm, loaded)


def test_all_layers_learn_at_once_from_small_weights():
    """Four classes, told by pairs of units, with noise; no pretraining."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 400)
    clean = np.stack([y // 2, y % 2], 1).repeat(4, 1)
    x = np.abs(clean - (rng.random(clean.shape) < 0.05)).astype("float32")
    dbm = uncompiled(DBM([12, 8], num_classes=4, objective="multi_prediction", mean_field_steps=3, seed=0))
    dbm.adapt(x)
    untrained = np.mean(dbm.classify(x) == y)
    dbm.compile(keras.optimizers.SGD(0.5, momentum=0.7), jit_compile=False)
    history = dbm.fit(x, y, batch_size=20, epochs=6, verbose=0).history
    assert set(history) == {"loss", "reconstruction_error", "mean_field_residual"}
    assert history["loss"][-1] < history["loss"][0] - 0.5
    assert np.mean(dbm.classify(x) == y) > max(untrained, 0.25) + 0.6


@pytest.mark.slow
def test_it_classifies_digits():
    data = load("digits")
    dbm = DBM([100, 100], num_classes=10, objective="multi_prediction", seed=0)
    dbm.adapt(data.x_train)
    dbm.compile(keras.optimizers.SGD(0.1, momentum=0.7))
    dbm.fit(data.x_train, data.y_train, batch_size=20, epochs=30, verbose=0)
    assert np.mean(dbm.classify(data.x_test) == data.y_test) > 0.88


# --- arguments


def test_defaults():
    """As many steps as were published, and weights that are no smaller than those of a plain network."""
    joint, dbm = DBM.from_config(DBM([30, 20]).get_config()), DBM([30, 20], objective="multi_prediction")
    assert (joint.objective, joint.mean_field_steps) == ("joint", 30)
    assert (dbm.mask_rate, dbm.mean_field_steps) == (0.5, 10)
    for one in (joint, dbm):
        one.build((None, 40))
    assert dbm._work() == 10 * joint._work(), "or progress would not show"
    np.testing.assert_allclose(np.std(dbm.kernels[0]), np.sqrt(2 / 70), rtol=0.1)
    own = DBM([3, 3], objective="multi_prediction", kernel_initializer=keras.initializers.RandomNormal(stddev=0.5))
    assert own.kernel_initializer.stddev == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "multi-prediction"},
            r"`objective` must be one of joint, multi_prediction\. Received: objective=",
        ),
        ({"mask_rate": 0.0}, r"`mask_rate` must be between 0 and 1\. Received: mask_rate=0\.0"),
        ({"mask_rate": 1}, "mask_rate=1"),
        ({"mask_rate": float("nan")}, "mask_rate=nan"),
        ({"mask_rate": "half"}, "mask_rate='half'"),
        ({"mask_rate": False}, "`mask_rate` must be between 0 and 1. Received: mask_rate=False"),
        ({"mask_rate": None}, "mask_rate=None"),
        ({"mask_rate": 0.4}, r"`mask_rate` is for objective='multi_prediction'\. Received: objective='joint'"),
        (
            {"multi_inference": True},
            r"`multi_inference` is for objective='multi_prediction'\. Received: objective='joint'",
        ),
        (
            {"multi_inference": 0, "objective": "multi_prediction"},
            r"`multi_inference` must be a boolean\. Received: multi_inference=0",
        ),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        DBM([4, 3], **options)


def test_bad_data_are_refused_before_the_first_step():
    cases = Cases("two")
    dbm = machine("two")
    dbm.compile("sgd", run_eagerly=True)
    before = [np.array(x) for x in dbm.weights]
    missing = np.where(np.arange(3) == 1, np.nan, cases.v)
    for v, y, message in (
        (3 * cases.v, cases.y, r"\[0, 1\]"),
        (missing, cases.y, "NaN"),
        (cases.v, cases.y + 3, "0 to 2"),
    ):
        with pytest.raises(ValueError, match=message):
            dbm.fit(v, y, verbose=0)
    for variable, value in zip(dbm.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)
