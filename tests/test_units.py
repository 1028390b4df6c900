"""Each kind of unit against enumeration, quadrature and samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from keras_rbm import units
from keras_rbm.random import Draws
from tests.enumeration import GRID, binary_states
from tests.statistics import assert_means, assert_rounded

WIDTH = 3
FIELDS = np.array([[0.0, 1.5, -2.0], [-0.3, 3.0, 0.7]])

#: Constructor arguments, and the precisions that they stand for (0 for binary units).
KINDS = {
    "bernoulli": (units.Bernoulli, {}, np.zeros(WIDTH)),
    "gaussian-unit": (units.Gaussian, {}, np.ones(WIDTH)),
    "gaussian-scalar": (units.Gaussian, {"precision": 2.3}, np.full(WIDTH, 2.3)),
    "gaussian-vector": (units.Gaussian, {"precision": [0.7, 1.0, 4.2]}, np.array([0.7, 1.0, 4.2])),
}
GAUSSIANS = [name for name in KINDS if name != "bernoulli"]


def make(name: str, dtype: str = "float64", **kwargs) -> units.Unit:
    cls, arguments, _ = KINDS[name]
    unit = cls(dtype=dtype, **arguments, **kwargs)
    unit.build((None, WIDTH))
    return unit


def draws() -> Draws:
    return Draws(tf.constant([5, 0]))


@pytest.fixture(params=KINDS)
def name(request) -> str:
    return request.param


def reference(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-partition, mean and variance in each of `FIELDS`, by a sum over the states of each unit."""
    gamma = KINDS[name][2]
    x = GRID if gamma.any() else np.array([0.0, 1.0])
    volume = GRID[1] - GRID[0] if gamma.any() else 1.0
    log_weight = FIELDS[..., None] * x - gamma[:, None] * x**2 / 2
    log_z = logsumexp(log_weight, -1, keepdims=True)
    p = np.exp(log_weight - log_z)
    mean = p @ x
    return (log_z[..., 0] + np.log(volume)).sum(-1), mean, p @ x**2 - mean**2


def test_log_partition_sums_over_all_states(name):
    assert_rounded(make(name).log_partition(tf.constant(FIELDS)), reference(name)[0])


def test_log_partition_of_bernoulli_units_sums_over_the_group():
    joint = logsumexp(FIELDS @ binary_states(WIDTH).T, 1)
    assert_rounded(make("bernoulli").log_partition(tf.constant(FIELDS)), joint)


def test_mean_is_the_gradient_of_log_partition(name):
    unit, field = make(name), tf.constant(FIELDS)
    with tf.GradientTape() as tape:
        tape.watch(field)
        log_z = unit.log_partition(field)
    assert_rounded(tape.gradient(log_z, field), reference(name)[1])
    assert_rounded(unit.mean(field), reference(name)[1])
    assert_rounded(unit(field), reference(name)[1])


def test_samples_have_mean_and_variance_and_are_independent(name):
    _, mean, variance = reference(name)
    field = tf.constant(np.repeat(FIELDS, 20000, 0))
    x = make(name).sample(field, draws()).numpy().reshape(2, 20000, WIDTH)
    for rows, m, s in zip(x, mean, variance, strict=True):
        assert_means(rows, m)
        deviations = rows - m
        assert_means(deviations[:, :, None] * deviations[:, None, :], np.diag(s))  # other units
        assert_means(deviations[1:] * deviations[:-1], np.zeros(WIDTH))  # other cases


def test_two_draws_differ(name):
    source, field = draws(), tf.zeros((50, WIDTH))
    unit = make(name, "float32")
    assert np.any(unit.sample(field, source) != unit.sample(field, source))


def test_mode_is_the_most_probable_state(name):
    unit, field = make(name), tf.constant(FIELDS[:1])
    mode = unit.mode(field)
    near = mode + 1e-3 * np.concatenate([np.eye(WIDTH), -np.eye(WIDTH)])
    others = binary_states(WIDTH) if name == "bernoulli" else near
    assert unit.in_domain(mode)
    assert np.all(unit.log_prob(tf.constant(others), field) <= unit.log_prob(mode, field))


def test_energy_and_log_prob(name):
    unit, gamma = make(name), KINDS[name][2]
    unit.bias.assign([0.4, -1.0, 2.0])
    x = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    base = (x**2) @ gamma / 2
    assert_rounded(unit.energy(tf.constant(x)), base - x @ [0.4, -1.0, 2.0])
    expected = (x * FIELDS).sum(1) - base - reference(name)[0]
    assert_rounded(unit.log_prob(tf.constant(x), tf.constant(FIELDS)), expected)


def test_probabilities_as_bernoulli_data_give_a_cross_entropy():
    x, p = np.array([[0.25, 0.5, 1.0]]), 1 / (1 + np.exp(-FIELDS[:1]))
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    unit = make("bernoulli")
    assert_rounded(unit.log_prob(tf.constant(x), tf.constant(FIELDS[:1])), expected)
    assert_rounded(unit.reconstruction_error(tf.constant(x), tf.constant(FIELDS[:1])), -expected)


@pytest.mark.parametrize("name", GAUSSIANS)
def test_gaussian_reconstruction_error_is_squared(name):
    x, gamma = np.array([[0.3, -2.0, 1.0]]), KINDS[name][2]
    actual = make(name).reconstruction_error(tf.constant(x), tf.constant(FIELDS[:1]))
    assert_rounded(actual, ((x - FIELDS[:1] / gamma) ** 2).sum(1))


def test_distribution_is_the_same_distribution(name):
    unit, field = make(name), tf.constant(FIELDS)
    distribution = unit.distribution(field)
    assert distribution.event_shape == (WIDTH,)
    x = unit.sample(field, draws())
    assert_rounded(distribution.log_prob(x), unit.log_prob(x, field))
    assert_rounded(distribution.mean(), unit.mean(field))
    assert_rounded(distribution.variance(), reference(name)[2])


@pytest.mark.parametrize("strength", [-50.0, 50.0])
def test_extreme_fields_stay_finite(name, strength):
    """In float32, where exp(50) leaves no room; the gradient too."""
    unit, field = make(name, "float32"), tf.fill((1, WIDTH), strength)
    x = tf.zeros((1, WIDTH))
    with tf.GradientTape() as tape:
        tape.watch(field)
        log_p = unit.log_prob(x, field)
    for value in (log_p, tape.gradient(log_p, field), unit.log_partition(field), unit.sample(field, draws())):
        assert np.all(np.isfinite(value))
    gamma = KINDS[name][2]
    expected = (
        np.sum(strength**2 / (2 * gamma) + np.log(2 * np.pi / gamma) / 2) if gamma.any() else 150 * (strength > 0)
    )
    assert_rounded(-log_p, [expected], ulps=10)


def test_in_domain(name):
    unit = make(name, "float32")

    def accepts(value: float) -> bool:
        return bool(unit.in_domain(tf.constant([[0.0, 1.0, value]])))

    assert accepts(0.3)
    assert not any(accepts(value) for value in (np.nan, np.inf, -np.inf))
    assert all(accepts(value) == (name in GAUSSIANS) for value in (-0.01, 1.01, 255.0))


def test_fields_at_a_temperature(name):
    """(1 - beta) base_bias + beta (bias + inputs), with a beta for each case."""
    unit, inputs = make(name), tf.constant(FIELDS)
    bias, base_bias, beta = np.array([0.4, -1.0, 2.0]), np.array([1.0, 2.0, -3.0]), np.array([[0.25], [0.75]])
    unit.bias.assign(bias)
    assert_rounded(unit.field(inputs), bias + FIELDS)
    assert_rounded(unit.field(inputs, beta, base_bias), (1 - beta) * base_bias + beta * (bias + FIELDS))
    assert_rounded(unit.field(inputs, 0.5), 0.5 * (bias + FIELDS))


def test_adapt_to_moments(name):
    """Without input the units have the data's means; the constant columns keep everything finite."""
    unit, mean, variance = make(name), np.array([0.25, 0.0, 1.0]), np.array([0.1875, 0.0, 0.0])
    unit.adapt_to_moments(mean, variance, 100)
    adapted = unit.mean(unit.field(tf.zeros((1, WIDTH), "float64")))[0]
    assert_rounded(adapted, mean if name in GAUSSIANS else (100 * mean + 0.5) / 101)
    assert np.all(np.isfinite(unit.bias))
    if name in GAUSSIANS:
        given = KINDS[name][1]
        assert_rounded(unit.precision, KINDS[name][2] if given else [1 / 0.1875, 1, 1])


def test_as_dense_computes_the_mean(name):
    unit, rng = make(name), np.random.default_rng(0)
    unit.bias.assign(rng.normal(size=WIDTH))
    x, kernel = rng.normal(size=(4, 5)), rng.normal(size=(5, WIDTH))
    dense = keras.layers.Dense(WIDTH, unit.activation, dtype="float64")
    dense.build((None, 5))
    dense.set_weights(unit.as_dense(kernel, np.asarray(unit.bias)))
    assert_rounded(dense(x), unit.mean(unit.field(tf.constant(x @ kernel))))


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
    again.build((None, WIDTH))
    for a, b in zip(again.get_weights(), unit.get_weights(), strict=True):
        assert_rounded(a, b)
    assert_rounded(again.bias, np.full(WIDTH, 0.5))
    assert isinstance(again.bias_regularizer, keras.regularizers.L2)


def test_get_takes_names_configs_and_objects():
    assert type(units.get("bernoulli")) is units.Bernoulli
    assert type(units.get("Gaussian")) is units.Gaussian
    unit = units.Gaussian(precision=2.0)
    assert units.get(unit) is unit
    assert units.get(keras.saving.serialize_keras_object(unit)).given_precision == 2.0


@pytest.mark.parametrize("unknown", ["bernouli", 3, None])
def test_get_lists_the_known_names(unknown):
    with pytest.raises(ValueError, match=r"'bernoulli', 'gaussian'.*Received: .*" + str(unknown)):
        units.get(unknown)


@pytest.mark.parametrize("precision", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0], [], [[1.0]]])
def test_bad_precisions_are_refused(precision):
    with pytest.raises(ValueError, match=r"`precision` must be positive and finite\. Received"):
        units.Gaussian(precision=precision)


def test_precisions_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"one for each of the 3 units\. Received: 2"):
        units.Gaussian(precision=[1.0, 2.0]).build((None, WIDTH))
