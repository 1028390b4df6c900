"""Each kind of unit against enumeration, quadrature and samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_ndtr
from scipy.stats import kstest, norm, truncnorm

from keras_rbm import units
from keras_rbm.random import Draws
from tests.oracles import kinds
from tests.oracles.kinds import (
    POOLED,
    Site,
    at_most_one_of,
    counts,
    index,
    joint,
    listed,
    log_counts,
    log_sum_exp,
    moments,
    nodes,
    one_of,
    two_sided,
)
from tests.support.statistics import SIGMAS, assert_frequencies, assert_means, assert_moments, assert_rounded


class Case(NamedTuple):
    """Options of a kind, its independent parts (`None` for a real unit), and precisions (0 of discrete units); of
    two-sided units both precisions and thresholds, `(3, units)`, and of the precisions the smaller one."""

    make: Callable[..., units.Unit]
    sites: list[Site | None]
    gamma: np.ndarray
    positive: bool = False
    shape: np.ndarray | None = None

    @property
    def quadratic(self) -> np.ndarray:
        """The precisions that are the same everywhere."""
        return self.gamma if self.shape is None else 0 * self.gamma


def real(cls: type, gamma: Any, *args: Any, **kwargs: Any) -> Case:
    gamma = np.broadcast_to(np.asarray(gamma, "float64"), 3)
    return Case(lambda **options: cls(*args, **kwargs, **options), [None] * 3, gamma, cls is units.ReLU)


def double(shape: Any, *args: Any, **kwargs: Any) -> Case:
    shape = np.array(shape, "float64") * np.ones((3, 3))
    return Case(lambda **o: units.DReLU(*args, **kwargs, **o), [None] * 3, shape[:2].min(0), shape=shape)


def mixed(**options: Any) -> units.Mixed:
    own = {name: value for name, value in options.items() if name == "dtype"}
    parts = [
        ("spin", 1),
        (units.Softmax(3, **own), None),
        (units.Gaussian([0.7, 2.0], **own), 2),
        (units.Binomial(4), 1),
    ]
    return units.Mixed(parts, **options)


VECTOR = [0.7, 1.0, 4.2]
SHAPE = [VECTOR, [2.0, 0.5, 1.0], [0.5, -1.5, 0.0]]
CASES = {
    "bernoulli": Case(units.Bernoulli, [listed(0, 1)] * 3, np.zeros(3)),
    "spin": Case(units.Spin, [listed(-1, 1)] * 3, np.zeros(3)),
    "softmax": Case(lambda **o: units.Softmax(3, **o), [one_of(3)] * 2, np.zeros(6)),
    "optional": Case(lambda **o: units.OptionalSoftmax(3, **o), [at_most_one_of(3)] * 2, np.zeros(6)),
    "pooled": Case(*POOLED),
    "binomial": Case(lambda **o: units.Binomial(4, **o), [counts(4)] * 3, np.zeros(3)),
    "gaussian-unit": real(units.Gaussian, 1.0),
    "gaussian-scalar": real(units.Gaussian, 2.3, precision=2.3),
    "gaussian-vector": real(units.Gaussian, VECTOR, precision=VECTOR),
    "gaussian-learnt": real(units.Gaussian, 1.0, learn_precision=True),
    "relu-unit": real(units.ReLU, 1.0),
    "relu-vector": real(units.ReLU, VECTOR, precision=VECTOR, learn_precision=True),
    "drelu-unit": double([[1], [1], [0]]),
    "drelu-vector": double(SHAPE, *SHAPE, learn_threshold=False),
    "mixed": Case(mixed, [listed(-1, 1), one_of(3), None, None, counts(4)], np.array([0, 0, 0, 0, 0.7, 2.0, 0])),
}
DISCRETE = [name for name, case in CASES.items() if None not in case.sites]
REAL = [name for name in CASES if name.startswith(("gaussian", "relu", "drelu"))]
#: A row of columns, cut to the width.
FIELDS = np.array([[0.0, 1.5, -2.0, 0.4, -0.8, 1.1, 0.5], [-0.3, 3.0, 0.7, -1.2, 2.0, -0.1, -1.0]])
BIAS = np.array([0.4, -1.0, 2.0, 0.0, 0.5, -0.3, 0.1])
DIRECTION = np.array([1.0, -0.5, 2.0, 0.3, -1.0, 0.7, 0.2])


@pytest.fixture(params=CASES)
def name(request) -> str:
    return request.param


def width(name: str) -> int:
    return len(CASES[name].gamma)


def make(name: str, dtype: str = "float64", **kwargs: Any) -> units.Unit:
    unit = CASES[name].make(dtype=dtype, **kwargs)
    if not unit.built:
        unit.build((None, width(name)))
    return unit


def biased(name: str) -> tuple[units.Unit, np.ndarray]:
    """A unit and the bias that each of its columns has; pooled ones share it."""
    unit = make(name)
    unit.bias.assign(BIAS[: unit.bias.shape[0]])
    return unit, np.resize(unit.bias, width(name))


def fields(name: str, dtype: str = "float64") -> tf.Tensor:
    return tf.constant(FIELDS[:, : width(name)], dtype)


def draws() -> Draws:
    return Draws(tf.constant([5, 0]))


def node_site(name: str, unit: int, field: float) -> Site:
    """Where a real unit in a field has its mass."""
    case = CASES[name]
    if case.shape is not None:
        return two_sided(*case.shape[:, unit], field)
    return nodes(field, case.gamma[unit], case.positive)


def reference(name: str, field: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-partition, mean and covariance in each row of `field`, by sums and quadrature over what is independent."""
    sites, gamma = CASES[name].sites, CASES[name].quadratic
    found = []
    for row in np.asarray(field, "float64"):
        starts = np.cumsum([0] + [1 if site is None else site.states.shape[1] for site in sites])
        here = [
            node_site(name, start, row[start]) if site is None else site
            for site, start in zip(sites, starts, strict=False)
        ]
        log_z = kinds.log_partition(here, row[None], gamma)
        found.append((log_z[0], *(x[0] for x in moments(here, row[None], gamma))))
    return tuple(np.array(x) for x in zip(*found, strict=True))


def states_of(name: str, number: int = 4) -> np.ndarray:
    """Some states."""
    sites, positive = CASES[name].sites, CASES[name].positive
    rng = np.random.default_rng(0)
    parts = [
        np.abs(rng.normal(size=(number, 1))) * (1 if positive else rng.choice([-1, 1], (number, 1)))
        if site is None
        else site.states[rng.integers(len(site.states), size=number)]
        for site in sites
    ]
    return np.concatenate(parts, 1)


def log_weight(name: str, x: np.ndarray) -> np.ndarray:
    """Minus the base, of states `x`."""
    case = CASES[name]
    plain = Site(np.zeros((1, 1)), np.zeros(1), True)
    real = [plain] * len(case.sites) if case.shape is None else [two_sided(*own) for own in case.shape.T]
    known = [own if site is None else site for own, site in zip(real, case.sites, strict=True)]
    return log_counts(known, x) - x**2 @ case.quadratic / 2


# --- formulas


def test_log_partition_mean_and_variance(name):
    """The mean is the gradient of the log-partition function, the covariance that of the mean."""
    unit, field, direction = make(name), fields(name), DIRECTION[: width(name)]
    log_z, mean, covariance = reference(name, field)
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        outer.watch(field)
        inner.watch(field)
        found = unit.log_partition(field)
        along = unit.mean(field) @ direction[:, None]
    assert_rounded(found, log_z)
    assert_rounded(tf.reduce_sum(unit.log_partitions(field), -1), log_z)
    assert_rounded(inner.gradient(found, field), mean)
    assert_rounded(outer.gradient(along, field), covariance @ direction)
    assert_rounded(unit.mean(field), mean)
    assert_rounded(unit(field), mean)


@pytest.mark.parametrize("name", DISCRETE)
def test_all_joint_states(name):
    """Numbered from 0, each once; the log-partition function sums over them."""
    unit, (states, log_measure) = make(name), joint(CASES[name].sites)
    assert unit.log2_num_states == pytest.approx(np.log2(len(states)))
    found = unit.enumerate(tf.range(len(states), dtype=tf.int64), tf.float64)
    assert sorted(index(states, found)) == list(range(len(states)))
    assert np.all(unit.are_states(found))
    assert_rounded(unit.log_partition(fields(name)), log_sum_exp(fields(name).numpy() @ states.T + log_measure))


def test_states_without_number(name):
    assert np.isinf(make(name).log2_num_states) == (None in CASES[name].sites)


def test_joint_states_of_parts_of_several_kinds():
    unit = units.Mixed([("spin", 2), (units.Softmax(3), 6), (units.Binomial(2), None), ("bernoulli", 1)])
    unit.build((None, 10))
    states, _ = joint([*[listed(-1, 1)] * 2, *[one_of(3)] * 2, counts(2), listed(0, 1)])
    found = unit.enumerate(tf.range(len(states), dtype=tf.int64), tf.float64).numpy()
    assert unit.log2_num_states == pytest.approx(np.log2(len(states)))
    assert {*map(tuple, found)} == {*map(tuple, states)}


def test_energy_and_log_prob(name):
    (unit, bias), x = biased(name), states_of(name, 2)
    assert_rounded(unit.energy(tf.constant(x)), -log_weight(name, x) - x @ bias)
    expected = (x * fields(name)).numpy().sum(1) + log_weight(name, x) - reference(name, fields(name))[0]
    assert_rounded(unit.log_prob(tf.constant(x), fields(name)), expected)
    if not name.startswith("gaussian"):
        assert_rounded(unit.reconstruction_error(tf.constant(x), fields(name)), -expected)


def test_mode_is_the_most_probable_state(name):
    unit, field = make(name), fields(name)
    mode = unit.mode(field)
    assert np.all(unit.in_domain(mode))
    assert np.all(unit.are_states(mode))
    best = unit.log_prob(mode, field)
    for i in range(2):
        others = np.array(
            [
                np.concatenate([mode[i, :start], x, mode[i, start + len(x) :]])
                for start, site in zip(_starts(name), CASES[name].sites, strict=True)
                for x in ([mode[i, start : start + 1] + d for d in (1e-3, -1e-3)] if site is None else site.states)
            ]
        )
        others = others[np.array(unit.in_domain(tf.constant(others)))]
        assert len(others) > 2
        assert np.all(unit.log_prob(tf.constant(others), field[i : i + 1]) <= best[i] + 1e-12)


def _starts(name: str) -> np.ndarray:
    """The first column of each site."""
    return np.cumsum([0] + [1 if site is None else site.states.shape[1] for site in CASES[name].sites])[:-1]


def test_probabilities_as_bernoulli_data_give_a_cross_entropy():
    x, p = np.array([[0.25, 0.5, 1.0]]), 1 / (1 + np.exp(-FIELDS[:1, :3]))
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    unit = make("bernoulli")
    assert_rounded(unit.log_prob(tf.constant(x), fields("bernoulli")[:1]), expected)
    assert_rounded(unit.reconstruction_error(tf.constant(x), fields("bernoulli")[:1]), -expected)


@pytest.mark.parametrize("name", [name for name in REAL if name.startswith("gaussian")])
def test_gaussian_reconstruction_error_is_squared(name):
    x, gamma = np.array([[0.3, -2.0, 1.0]]), CASES[name].gamma
    actual = make(name).reconstruction_error(tf.constant(x), fields(name)[:1])
    assert_rounded(actual, ((x - FIELDS[:1, :3] / gamma) ** 2).sum(1))


def test_distribution_is_the_same_distribution(name):
    unit, field = make(name), fields(name)
    distribution = unit.distribution(field)
    assert distribution.event_shape == (width(name),)
    x = tf.constant(states_of(name, 2))
    assert_rounded(distribution.log_prob(x), unit.log_prob(x, field))
    assert_rounded(distribution.log_prob(tf.stack([x, x]))[1], unit.log_prob(x, field))
    assert np.all(unit.are_states(tf.reshape(distribution.sample(3, seed=0), (6, -1))))
    if name.startswith(
        ("bernoulli", "binomial", "gaussian", "relu", "drelu")
    ):  # TensorFlow Probability knows no moments of others
        assert_rounded(distribution.mean(), unit.mean(field))
        assert_rounded(distribution.variance(), np.diagonal(reference(name, field)[2], axis1=1, axis2=2))


@pytest.mark.parametrize("strength", [-50.0, 50.0])
def test_extreme_fields(name, strength):
    """In float32, where exp(50) leaves no room; gradients too, also of the mean."""
    unit, signs = make(name, "float32"), np.array([1, -1, 1, 1, -1, 1, 1])[: width(name)]
    field = tf.constant((strength * signs)[None], "float32")
    x = tf.constant(states_of(name, 1), "float32")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(field)
        log_p, log_z, mean = unit.log_prob(x, field), unit.log_partition(field), unit.mean(field)
    expected_z, expected_mean, covariance = reference(name, field)
    assert_rounded(log_z, expected_z, ulps=10)
    assert_rounded(mean, expected_mean, ulps=10)
    assert_rounded(tape.gradient(log_z, field), expected_mean, ulps=10)
    assert_rounded(tape.gradient(log_p, field), x - expected_mean, ulps=10)
    assert_rounded(tape.gradient(mean, field), covariance.sum(2), ulps=10)
    sample = unit.sample(tf.repeat(field, 100, 0), draws())
    assert np.all(np.isfinite(sample))
    assert np.all(unit.in_domain(sample))
    assert np.all(unit.are_states(sample))
    certain = np.diagonal(covariance[0]) < 1e-12
    assert np.all(sample.numpy()[:, certain] == np.round(expected_mean[0, certain]))


# --- rectified units at any field

TAIL = np.array([-50.0, -10.0, -5.01, -5.0, -4.99, -1.0, 0.0, 3.0, 50.0])
#: Beside -5 the mean is 0.2, a difference of numbers of the order of 5; its derivative is 0.03, one of the order of 25.
#: What the terms of the continued fraction that are left out amount to, in float64, there.
FRACTION = 5e-12
ULPS = {"log_partition": 10, "mean": 5 / 0.2 * 10, "gradient": 5 / 0.2 * 10, "variance": 25 / 0.03 * 10}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "xla"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.few(2)
def test_rectified_units_keep_their_digits_at_any_field(dtype, compiled):
    """To so many roundings of each value itself, however small."""
    unit = make("relu-unit", dtype)

    def ask(field: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(field)
            log_z, mean = unit.log_partitions(field), unit.mean(field)
        gradients = {"gradient": tape.gradient(log_z, field), "variance": tape.gradient(mean, field)}
        return {"log_partition": log_z, "mean": mean, **gradients}

    found = (tf.function(ask, jit_compile=True) if compiled else ask)(
        tf.constant(np.repeat(TAIL[:, None], 3, 1), dtype)
    )
    site = [nodes(field, 1.0, True) for field in np.array(TAIL, dtype).astype("float64")]
    log_z = [kinds.log_partition([s], np.array([[f]]), np.ones(1))[0] for s, f in zip(site, TAIL, strict=True)]
    both = [moments([s], np.array([[f]]), np.ones(1)) for s, f in zip(site, TAIL, strict=True)]
    mean, variance = np.array([[m[0, 0], v[0, 0, 0]] for m, v in both]).T
    expected = {"log_partition": log_z, "mean": mean, "gradient": mean, "variance": variance}
    for what, values in expected.items():
        error = np.abs(found[what][:, 0] - values) / np.maximum(np.abs(values), 1e-30)
        assert np.all(error < ULPS[what] * np.finfo(dtype).eps + FRACTION), what


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "xla"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.few(2)
def test_rectified_units_are_drawn_from_a_truncated_normal_distribution(dtype, compiled):
    """A Kolmogorov-Smirnov test at the level of 5 standard deviations, at every field."""
    unit, number = make("relu-vector", dtype), 20000
    field = np.repeat(TAIL, number)[:, None] * np.ones(3)
    sample = tf.function(unit.sample, jit_compile=compiled) if compiled else unit.sample
    x = sample(tf.constant(field, dtype), draws()).numpy().reshape(len(TAIL), number, 3)
    assert np.all(x >= 0)
    for rows, f in zip(x, TAIL, strict=True):
        for column, gamma in zip(rows.T, VECTOR, strict=True):
            mean, deviation = f / gamma, 1 / np.sqrt(gamma)
            law = truncnorm(-mean / deviation, np.inf, mean, deviation)
            assert kstest(column, law.cdf).pvalue > 2 * norm.sf(SIGMAS), (f, gamma)


class Given(Draws):
    """Uniform numbers that are known."""

    def __init__(self, u: np.ndarray) -> None:
        super().__init__(tf.constant([0, 0]))
        self.u = u

    def uniform_like(self, x: tf.Tensor) -> tf.Tensor:
        return tf.constant(self.u, x.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rectified_units_are_drawn_by_inversion(dtype):
    """The probability of a larger state is 1 - u; in the tail its logarithm is, however small it is."""
    u, eps = np.concatenate([np.linspace(0, 1, 33)[:-1], 1 - 2.0 ** -np.arange(6, 21)]), np.finfo(dtype).eps
    for z in TAIL:
        field = tf.fill((len(u), 3), tf.constant(z, dtype))
        x = make("relu-unit", dtype).sample(field, Given(u[:, None] * np.ones(3))).numpy()[:, 0]
        log_survival = log_ndtr(np.array(z, dtype) - x.astype("float64")) - log_ndtr(
            np.array(z, dtype).astype("float64")
        )
        if z > -1:
            assert np.all(np.abs(np.exp(log_survival) - (1 - u)) < 10 * (1 + z) * eps), z
        else:  # its slope, and the terms of Newton's equation, grow with the field
            assert np.all(np.abs(log_survival - np.log1p(-u)) < 10 * (1 + z**2) * eps + FRACTION), z


# --- samples


def assert_drawn(name: str, sample: Callable[[tf.Tensor, Draws], tf.Tensor], number: int = 20000) -> None:
    field = fields(name)
    drawn = sample(tf.repeat(field, number, 0), draws()).numpy().reshape(2, number, width(name))
    for rows, row, mean, covariance in zip(drawn, field.numpy(), *reference(name, field)[1:], strict=True):
        if name in DISCRETE:
            states, log_measure = joint(CASES[name].sites)
            log_weights = log_measure + states @ row
            assert_frequencies(index(states, rows), np.exp(log_weights - log_sum_exp(log_weights)))
        assert_moments(rows, mean, covariance)  # other units
        deviations = rows - mean
        assert_means(deviations[1:] * deviations[:-1], np.zeros(width(name)))  # other cases


def test_samples_have_all_frequencies_or_moments_and_are_independent(name):
    assert_drawn(name, make(name).sample)


@pytest.mark.parametrize("name", ["mixed", "bernoulli", "relu-vector"])
@pytest.mark.few(1)
def test_samples_compiled(name):
    assert_drawn(name, tf.function(make(name).sample, jit_compile=True))


def test_two_draws_differ(name):
    source, field = draws(), tf.zeros((50, width(name)))
    unit = make(name, "float32")
    assert np.any(unit.sample(field, source) != unit.sample(field, source))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "xla"])
def test_parts_of_parts_have_random_numbers_of_their_own(compiled):
    inner = units.Mixed([("bernoulli", 1), ("bernoulli", 1)])
    unit = units.Mixed([(inner, 2), ("bernoulli", 1), (units.Mixed([("bernoulli", 2)]), None)])
    unit.build((None, 5))
    sample = tf.function(unit.sample, jit_compile=True) if compiled else unit.sample
    x = sample(tf.zeros((20000, 5)), draws()).numpy()
    assert_frequencies((x @ 2 ** np.arange(5)).astype(int), np.full(32, 1 / 32))


# --- domains

#: Of each kind: rows that are data, whether they are states, and rows that are not; columns that are missing are 0.
ROWS = {
    "bernoulli": ([(0, 1, 1)], [(0, 0.3, 1)], [-0.01, 1.01, 255.0]),
    "spin": ([(-1, 1, 1)], [], [0.0, 0.5, -0.99, 2.0]),
    "softmax": ([(0, 1, 0, 1, 0, 0)], [(0.2, 0.3, 0.5, 1, 0, 0)], [1.0, 0.5, -1.0, 2.0]),
    "optional": ([(0, 1, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0)], [(0.2, 0.3, 0.1, 1, 0, 0)], [1.0, 0.5, -1.0, 2.0]),
    "pooled": ([(0, 1, 1, 0, 1), (0, 0, 1, 0, 0)], [(0.2, 0.3, 1, 0, 0.5)], [-1.0, 2.0, 1.1]),
    "binomial": ([(0, 4, 3)], [(0.5, 4, 3)], [-1.0, 4.01, 5.0]),
    "gaussian-unit": ([(-3, 0.25, 100)], [], []),
    "relu-unit": ([(0, 0.25, 100)], [], [-1e-3, -5.0]),
    "drelu-unit": ([(-3, 0.25, 100)], [], []),
    "mixed": ([(-1, 0, 1, 0, -3, 0.25, 4)], [(-1, 0.5, 0.5, 0, -3, 0.25, 4), (1, 0, 1, 0, 0, 0, 1.5)], [-1.0, 4.5]),
}


@pytest.mark.parametrize("name", ROWS)
def test_domains(name):
    """One answer a row; the value in the last column."""
    unit, (states, means, values) = make(name, "float32"), ROWS[name]
    good = np.array([*states, *means], "float32")
    wrong = np.repeat(good[:1], len(values) + 3, 0)
    wrong[:, -1] = [*values, np.nan, np.inf, -np.inf]
    together = tf.constant(np.concatenate([good, wrong]))
    np.testing.assert_array_equal(unit.in_domain(together), [True] * len(good) + [False] * len(wrong))
    np.testing.assert_array_equal(unit.are_states(tf.constant(good)), [True] * len(states) + [False] * len(means))
    for row in wrong:
        with pytest.raises(ValueError, match=r" units need .*Received: "):
            raise unit.domain_error(row[None])


def test_probabilities_of_a_group_may_be_rounded():
    unit = make("softmax", "float32")
    p = np.random.default_rng(0).dirichlet(np.ones(3), (100, 2)).astype("float16").astype("float32")
    assert np.all(unit.in_domain(tf.constant(p.reshape(100, 6))))


def test_what_belongs_together(name):
    """A mask keeps the units of a softmax group together."""
    unit, masks = make(name), ~np.eye(width(name), dtype=bool)
    grouped = [start <= i < stop for i, (start, stop) in enumerate(_groups(name))]
    np.testing.assert_array_equal(unit.respects_groups(tf.constant(masks)), ~np.array(grouped))
    for everything in (True, False):
        assert np.all(unit.respects_groups(tf.fill((2, width(name)), everything)))


def _groups(name: str) -> list[tuple[int, int]]:
    """Of each column, between which columns its softmax group lies, if it is in one with others."""
    groups = {"softmax": [(0, 3), (3, 6)], "optional": [(0, 3), (3, 6)], "pooled": [(0, 2), (2, 4)], "mixed": [(1, 4)]}
    found = [[each for each in groups.get(name, []) if each[0] <= i < each[1]] for i in range(width(name))]
    return [each[0] if each else (99, 99) for each in found]


def test_tails(name):
    precision, positive = make(name).tail_precisions()
    gamma = CASES[name].gamma
    assert_rounded(precision[gamma > 0], gamma[gamma > 0])
    assert np.all(np.isinf(precision[gamma == 0]))
    assert np.all(positive == CASES[name].positive)
    assert make(name).bounded == (not gamma.any())


def test_kinds_are_equal_where_states_are():
    prepared = [make(name).kind for name in CASES]
    for i, one in enumerate(CASES):
        for j, other in enumerate(CASES):
            assert (prepared[i] == prepared[j]) == (one.split("-")[0] == other.split("-")[0])
    assert units.Softmax(2).kind != units.Softmax(3).kind
    assert units.Binomial(2).kind != units.Binomial(3).kind


# --- fields, moments, layers


def test_fields_at_a_temperature(name):
    """(1 - beta) base_bias + beta (bias + inputs), with a beta for each case."""
    (unit, bias), inputs = biased(name), fields(name)
    base_bias, beta = np.array([1.0, 2.0, -3.0, 0.5, 0.1, 0.2, 0.3])[: width(name)], np.array([[0.25], [0.75]])
    assert_rounded(unit.field(inputs), bias + inputs)
    assert_rounded(unit.field(inputs, beta, base_bias), (1 - beta) * base_bias + beta * (bias + inputs))
    assert_rounded(unit.field(inputs, 0.5), 0.5 * (bias + inputs))


#: A mean of data, its variance, and the mean that units without input then have: half a case more of each state.
ADAPTED = {
    "bernoulli": ([0.25, 0, 1], [25.5 / 101, 0.5 / 101, 100.5 / 101]),
    "spin": ([-0.5, -1, 1], [2 * 25.5 / 101 - 1, 1 / 101 - 1, 1 - 1 / 101]),
    "optional": ([0.25, 0.5, 0, 1, 0, 0], np.array([25.5, 50.5, 0.5, 100.5, 0.5, 0.5]) / 102),
    "pooled": ([0.25] * 5, [125.5 / 501.5] * 4 + [125.5 / 376]),  # five units with one bias, of which one is alone
    "softmax": ([0.25, 0.75, 0, 1, 0, 0], np.array([25.5, 75.5, 0.5, 100.5, 0.5, 0.5]) / 101.5),
    "binomial": ([1.0, 0, 4], 4 * np.array([100.5, 0.5, 400.5]) / 401),
    "gaussian": ([0.25, 0, 1], [0.25, 0, 1]),
    "drelu": ([0.25, 0, 1], [0.25, 0, 1]),
    "relu": ([0.25, 0, 1], np.array([0.25, 0, 1]) * 100 / 100.5),  # and half a case of the mean at field 0
    "mixed": (
        [0, 0.25, 0.75, 0, 0.25, 0, 1.0],
        [0, *np.array([25.5, 75.5, 0.5]) / 101.5, 0.25, 0, 4 * 100.5 / 401],
    ),
}


@pytest.mark.parametrize("counted", ["together", "apart"])
def test_adapt_to_moments(name, counted):
    """Without input the units have the data's means; the constant columns keep everything finite."""
    unit, family = make(name), name.split("-")[0]
    mean, expected = (np.array(x, "float64") for x in ADAPTED[family])
    variance = np.where(np.arange(len(mean)) == 0, 0.1875, 0.0)
    unit.adapt_to_moments(mean, variance, 100 if counted == "together" else np.full(len(mean), 100.0))
    assert np.all(np.isfinite(unit.bias))
    gamma = CASES[name].gamma if CASES[name].shape is None else CASES[name].shape[0]
    if name in ("gaussian-unit", "gaussian-learnt", "relu-unit", "drelu-unit"):
        gamma = np.array([1 / 0.1875, 1, 1])
    if name in REAL:
        assert_rounded(unit.precision, gamma)
    if family == "relu":
        expected = expected + 0.5 / 100.5 * np.sqrt(2 / np.pi / gamma)
    assert_rounded(unit.mean(unit.field(tf.zeros((1, width(name)), "float64")))[0], expected)


@pytest.mark.parametrize("name", [name for name in CASES if "relu" not in name])
def test_as_layer_computes_the_mean(name):
    unit, rng = make(name), np.random.default_rng(0)
    x, kernel, bias = (rng.normal(size=shape).astype("float32") for shape in ((4, 5), (5, width(name)), width(name)))
    layer = unit.as_layer(kernel, bias, "mine")
    assert layer.name == "mine"
    assert_rounded(layer(x), unit.mean(tf.constant(x @ kernel + bias, "float64")), 10)


@pytest.mark.parametrize("name", ["relu-unit", "relu-vector"])
def test_the_layer_of_rectified_units_is_an_approximation(name):
    """A rectifier of the field over the precision: it is right in strong fields, and never above the mean."""
    unit, gamma = make(name), CASES[name].gamma
    layer = unit.as_layer(np.eye(3), np.array([0.5, 0.0, -0.5]), "mine")
    field = np.array([[-30.0, -1.0, 0.0], [1.0, 0.3, 2.0], [40.0, 40.0, 40.0]])
    found = layer((field - [0.5, 0.0, -0.5]).astype("float32"))
    assert_rounded(found, np.maximum(field, 0) / gamma, 10)
    mean = unit.mean(tf.constant(field)).numpy()
    assert np.all(mean[:2] > found[:2])
    assert_rounded(found[2:], mean[2:], 10)


# --- configurations


def test_config_round_trip(name):
    options = {
        "bias_initializer": keras.initializers.Constant(0.5),
        "bias_regularizer": keras.regularizers.L2(0.01),
        "bias_constraint": keras.constraints.MaxNorm(3.0),
    }
    unit = make(name, **options)
    again = units.get(keras.saving.serialize_keras_object(unit))
    assert type(again) is type(unit)
    assert again.get_config() == unit.get_config()
    again.build((None, width(name)))
    assert again.kind == unit.kind
    for a, b in zip(again.get_weights(), unit.get_weights(), strict=True):
        assert_rounded(a, b)
    assert_rounded(again.biases, np.full(width(name), 0.5))
    assert isinstance(again.bias_regularizer, keras.regularizers.L2)
    assert [v.name for v in again.other_parameters] == [v.name for v in unit.other_parameters]


def test_what_is_learnt_beside_the_bias():
    learnt = {name: [v.name for v in make(name).other_parameters] for name in CASES}
    both = ["log_precision", "log_negative_precision"]
    expected = {
        "gaussian-learnt": both[:1],
        "relu-vector": both[:1],
        "drelu-unit": [*both, "threshold"],
        "drelu-vector": both,
    }
    assert {name: found for name, found in learnt.items() if found} == expected
    unit = units.Mixed([("spin", 1), (units.ReLU(learn_precision=True), 2)])
    unit.build((None, 3))
    assert [v.shape for v in unit.other_parameters] == [(2,)]


def test_get_takes_names_configs_and_objects():
    known = {
        "bernoulli": units.Bernoulli,
        "Gaussian": units.Gaussian,
        "relu": units.ReLU,
        "dReLU": units.DReLU,
        "SPIN": units.Spin,
    }
    for name, cls in known.items():
        assert type(units.get(name)) is cls
    unit = units.Gaussian(precision=2.0)
    assert units.get(unit) is unit
    assert units.get(keras.saving.serialize_keras_object(unit)).given_precision == 2.0


@pytest.mark.parametrize("unknown", ["bernouli", 3, None])
def test_get_lists_the_known_names(unknown):
    with pytest.raises(
        ValueError, match=r"'bernoulli', 'drelu', 'gaussian', 'relu', 'spin'.*Received: .*" + str(unknown)
    ):
        units.get(unknown)


# --- bad arguments


@pytest.mark.parametrize("cls", [units.Gaussian, units.ReLU, units.DReLU])
@pytest.mark.parametrize("precision", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0], [], [[1.0]]])
def test_bad_precisions_are_refused(cls, precision):
    with pytest.raises(ValueError, match=r"`precision` must be positive and finite\. Received: precision="):
        cls(precision=precision)


@pytest.mark.parametrize("cls", [units.Gaussian, units.ReLU, units.DReLU])
def test_precisions_of_another_number_are_refused(cls):
    for unit in (cls(precision=[1.0, 2.0]), units.Mixed([(cls(precision=[1.0, 2.0]), None)])):
        with pytest.raises(ValueError, match=r"one for each of the 3 units\. Received: 2"):
            unit.build((None, 3))


@pytest.mark.parametrize("number", [0, -1, 1.5, "3", None, True])
def test_numbers_of_states_are_positive_integers(number):
    for cls, argument in ((units.Softmax, "num_states"), (units.Binomial, "n")):
        with pytest.raises(ValueError, match=rf"`{argument}` must be a positive integer\. Received: {argument}="):
            cls(number)


def test_one_state_is_no_choice():
    with pytest.raises(ValueError, match=r"`num_states` must be at least 2\. Received: num_states=1"):
        units.Softmax(1)


@pytest.mark.parametrize(
    "parts", [[], "bernoulli", {}, ["bernoulli", "spin"], [("bernoulli",)], [("spin", 1, 2)], 3, None]
)
def test_parts_are_pairs(parts):
    with pytest.raises(ValueError, match=r"`parts` must be pairs of a kind and a number of columns.*Received: parts="):
        units.Mixed(parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([("spin", 0)], r"`columns` must be a positive integer\. Received: columns=0"),
        ([("spin", -1)], r"`columns` must be a positive integer"),
        ([("spin", 1.5)], r"`columns` must be a positive integer"),
        ([("spam", 1)], r"'bernoulli', 'drelu'.*Received: 'spam'"),
        (
            [("spin", None), ("relu", None)],
            r"Only one part may take the columns that are left\. Received: .*None, None",
        ),
        ([(units.Spin(bias_regularizer="l2"), 1)], r"Give bias_\* options to Mixed, not to its parts"),
        ([(units.Spin(bias_initializer="ones"), 1)], r"Units side by side have one bias"),
    ],
)
def test_bad_parts(parts, message):
    with pytest.raises(ValueError, match=message):
        units.Mixed(parts)


@pytest.mark.parametrize(
    ("parts", "columns", "message"),
    [
        ([("spin", 1), ("relu", 1)], 3, r"2 columns in all, widths=\[1, 1\]\. Received: 3 columns"),
        ([("spin", 2), ("relu", 2)], 3, r"4 columns in all.*Received: 3 columns"),
        ([("spin", 3), ("relu", None)], 3, r"3 columns in all, widths=\[3, None\]\. Received: 3 columns"),
        ([("spin", 1), (units.Softmax(3), None)], 3, r"num_states=3\. Received: 2 units"),
    ],
)
def test_parts_that_do_not_fill_the_columns(parts, columns, message):
    with pytest.raises(ValueError, match=message):
        units.Mixed(parts).build((None, columns))


def test_units_have_one_width(name):
    with pytest.raises(ValueError, match=r"must have one width\. Received: width=12"):
        make(name).build((None, 12))
