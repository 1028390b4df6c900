"""Double rectified units: at any field, in the limits that are other kinds, and in the literature's words."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit
from scipy.stats import kstest, norm, truncnorm

from keras_rbm import RBM, ConvRBM, likelihood, units
from keras_rbm.random import Draws
from tests.oracles.kinds import quadrature
from tests.support.statistics import SIGMAS, assert_rounded

#: Both precisions and the threshold of each unit: one that shuns 0, one that stays there, one in between.
SHAPE = np.array([[0.7, 1.0, 4.2], [2.0, 1.0, 0.5], [-3.0, 3.0, 0.5]])
#: How many roundings are allowed for, and what the continued fraction leaves out in float64.
ROUNDINGS, FRACTION = 50, 5e-12
FIELDS = np.array([-1e4, -50.0, -10.0, -5.0, -1.0, 0.0, 0.3, 3.0, 50.0, 1e4])
WAYS = pytest.mark.parametrize(("dtype", "compiled"), [("float32", True), ("float64", False)], ids=["xla", "eager"])


def made(*shape, dtype: str = "float64") -> units.DReLU:
    unit = units.DReLU(*shape, dtype=dtype)
    unit.build((None, 3))
    return unit


def half(field: float, gamma: float) -> tuple[float, float, float]:
    """Log-partition, mean and variance of a rectified unit, by quadrature about its mode: a field of 1e4 costs no
    digits."""
    mode, reach = max(field, 0.0) / gamma, 10 / np.sqrt(gamma)
    high = reach if field >= 0 else min(reach, 50 / -field)
    site = quadrature(max(-mode, -reach), high, 12)
    y = site.states[:, 0]
    weights = np.exp(site.log_measure + min(field, 0.0) * y - gamma * y**2 / 2)
    mean = (weights @ y) / weights.sum()
    variance = weights @ (y - mean) ** 2 / weights.sum()
    return gamma * mode**2 / 2 + np.log(weights.sum()), mode + mean, variance


def expected(field: float, gamma: float, negative: float, threshold: float) -> dict[str, float]:
    """Also derivatives of the log-partition function in the logarithms of the precisions, and in the threshold."""
    (log_z, m, v), (log_n, n, w) = half(field - threshold, gamma), half(-field - threshold, negative)
    p, q = expit(log_z - log_n), expit(log_n - log_z)
    return {
        "log_partition": np.logaddexp(log_z, log_n),
        "mean": p * m - q * n,
        "gradient": p * m - q * n,
        "variance": p * v + q * w + p * q * (m + n) ** 2,
        "log_precision": -p * (v + m**2) * gamma / 2,
        "log_negative_precision": -q * (w + n**2) * negative / 2,
        "threshold": -p * m - q * n,
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_digits_at_any_field(dtype, monkeypatch):
    """To so many roundings of what is asked for, or of 1 where that is less."""
    unit, field = made(*SHAPE, dtype=dtype), np.repeat(FIELDS[:, None], 3, 1).astype(dtype)
    of_each = [tf.tile(v[None], [len(FIELDS), 1]) for v in unit.other_parameters]  # so derivatives are of each field
    log_gamma, log_negative, threshold = of_each
    inputs = [tf.constant(field), *of_each]
    monkeypatch.setattr(unit, "_parameters", lambda _: (tf.exp(log_gamma), tf.exp(log_negative), threshold))
    with tf.GradientTape() as of_log_z, tf.GradientTape() as of_mean:
        for tensor in inputs:
            of_log_z.watch(tensor)
            of_mean.watch(tensor)
        log_z, mean = unit.log_partitions(inputs[0]), unit.mean(inputs[0])
    names = ["gradient", *[v.name for v in unit.other_parameters]]
    found = dict(zip(names, of_log_z.gradient(log_z, inputs), strict=True))
    found |= {"log_partition": log_z, "mean": mean, "variance": of_mean.gradient(mean, inputs[0])}
    for j, shape in enumerate(SHAPE.astype(dtype).astype("float64").T):
        for i, f in enumerate(field[:, j].astype("float64")):
            wanted = expected(f, *shape)
            assert wanted.keys() == found.keys()
            for what, value in wanted.items():
                error = abs(float(found[what][i, j]) - value) / max(abs(value), 1.0)
                assert error < ROUNDINGS * np.finfo(dtype).eps + FRACTION, (
                    what,
                    f,
                    *shape,
                    error / np.finfo(dtype).eps,
                )


@WAYS
def test_states_are_drawn_from_both_truncated_normal_distributions(dtype, compiled):
    """A Kolmogorov-Smirnov test at the level of 5 standard deviations, at every field."""
    unit, number = made(*SHAPE, dtype=dtype), 10000
    field = np.repeat(FIELDS, number)[:, None] * np.ones(3)
    sample = tf.function(unit.sample, jit_compile=True) if compiled else unit.sample
    x = sample(tf.constant(field, dtype), Draws(tf.constant([5, 0]))).numpy().reshape(len(FIELDS), number, 3)
    for rows, f in zip(x, FIELDS, strict=True):
        for column, (gamma, negative, threshold) in zip(rows.T, SHAPE.T, strict=True):
            halves, log_z = [], []
            for own, precision in ((f - threshold, gamma), (-f - threshold, negative)):
                z, deviation = own / np.sqrt(precision), 1 / np.sqrt(precision)
                halves.append(truncnorm(-z, np.inf, z * deviation, deviation))
                log_z.append(half(own, precision)[0])
            share = expit(log_z[0] - log_z[1])

            def cdf(x, up=halves[0], down=halves[1], share=share):
                return np.where(x > 0, 1 - share * up.sf(x), (1 - share) * down.sf(-x))

            assert kstest(column, cdf).pvalue > 2 * norm.sf(SIGMAS), (f, gamma, negative, threshold)


# --- limits

SOME = tf.constant([[-30.0, -1.0, 0.3], [0.0, 2.0, 40.0]], tf.float64)
STATES = tf.constant([[-3.0, -0.1, 0.0], [0.5, 2.0, -7.0]], tf.float64)


def test_with_one_precision_and_no_threshold_they_are_gaussian():
    gamma = [0.7, 1.0, 4.2]
    unit, gaussian = made(gamma), units.Gaussian(gamma, dtype="float64")
    gaussian.build((None, 3))
    for ask in ("log_partition", "mean", "mode"):
        assert_rounded(getattr(unit, ask)(SOME), getattr(gaussian, ask)(SOME), 10)
    assert_rounded(unit.log_prob(STATES, SOME), gaussian.log_prob(STATES, SOME), 10)
    # Exactly Gaussian as a network, too.
    layer = unit.as_layer(np.eye(3), np.zeros(3), "mine")
    assert_rounded(layer(SOME.numpy().astype("float32")), gaussian.mean(SOME), 10)


def test_with_a_stiff_negative_side_they_are_rectified():
    """Up to the negative side's share of the order of its deviation."""
    stiff, gamma = np.exp(30.0), [0.7, 1.0, 4.2]
    unit, relu = made(gamma, stiff), units.ReLU(gamma, dtype="float64")
    relu.build((None, 3))
    field = SOME[1:]
    for ask in ("log_partition", "mean", "mode"):
        found = getattr(unit, ask)(field)
        np.testing.assert_allclose(found, getattr(relu, ask)(field), rtol=0, atol=5 * stiff**-0.5)
    drawn = unit.sample(tf.repeat(field, 1000, 0), Draws(tf.constant([5, 0]))).numpy()
    assert drawn.min() > -10 * stiff**-0.5


def test_the_potential_of_the_literature():
    """gamma_+ x_+^2 / 2 + gamma_- x_-^2 / 2 + theta_+ x_+ + theta_- x_-, with x_+ = max(x, 0), x_- = min(x, 0)."""
    plus, minus = np.array([0.5, -1.0, 2.0]), np.array([-0.3, 0.7, 1.0])
    unit = made(*SHAPE[:2], (plus - minus) / 2)
    unit.bias.assign(-(plus + minus) / 2)
    up, down = np.maximum(STATES, 0), np.minimum(STATES, 0)
    potential = SHAPE[0] * up**2 / 2 + SHAPE[1] * down**2 / 2 + plus * up + minus * down
    assert_rounded(unit.energy(STATES), potential.sum(1))


def test_precisions_and_weights_share_a_scale():
    """With half a unit's weights, bias and threshold, and a quarter of its precisions, free energies differ by a
    constant."""
    found = []
    for scale in (1.0, 0.5):
        shape = (scale**2 * SHAPE[0], scale**2 * SHAPE[1], scale * SHAPE[2])
        rbm = RBM(3, hidden=units.DReLU(*shape, dtype="float64"), dtype="float64", seed=0)
        rbm.build((None, 4))
        rng = np.random.default_rng(0)
        rbm.w_rec.assign(scale * rng.normal(size=(4, 3)))
        rbm.hidden.bias.assign(scale * rng.normal(size=3))
        found.append(np.array(rbm.free_energy(np.eye(4))))
    assert_rounded(found[1] - found[0], np.full(4, 3 * np.log(0.5)))


# --- layers, modes, tails


def test_the_layer_is_the_difference_of_two_rectifiers():
    """Right in strong fields, and thresholds tell where a side begins."""
    unit = made(*SHAPE)
    layer = unit.as_layer(np.eye(3), np.array([0.5, 0.0, -0.5]), "mine")
    assert layer.name == "mine"
    field = np.array([[2.0, 2.0, -0.4], [300.0, 300.0, 300.0], [-300.0, -300.0, -300.0]])
    found = layer((field - [0.5, 0.0, -0.5]).astype("float32")).numpy()
    assert_rounded(found[0], [5 / 0.7 - 1 / 2, 0.0, 0.0], 10)
    assert_rounded(found[1:], unit.mean(tf.constant(field))[1:], 10)


def test_the_mode_jumps_where_both_sides_weigh_the_same():
    """A side weighs `(|f| + 3)^2 / gamma`: here they are as heavy at a field between 1.2 and 1.3 below 0."""
    unit = made([1.0] * 3, [0.4] * 3, [-3.0] * 3)
    boundary = 3 * (1 - np.sqrt(0.4)) / (1 + np.sqrt(0.4))
    found = unit.mode(tf.constant([[boundary - 0.01, boundary + 0.01, 0.0]], tf.float64)).numpy()[0]
    assert_rounded(found, [-(3 - boundary + 0.01) / 0.4, boundary + 3.01, -3 / 0.4])


def test_weights_between_two_sided_units_and_gaussian_ones_are_bounded_by_the_smaller_precision():
    hidden = units.Gaussian(1.0, dtype="float64")
    for weight, fine in ((0.99 * 2**0.5, False), (0.99, True)):
        visible = units.DReLU(2.0, 1.0, dtype="float64")
        rbm = RBM(1, visible, hidden, kernel_constraint="max_norm", dtype="float64", seed=0)
        rbm.build((None, 1))
        rbm.w_rec.assign([[weight]])
        if fine:
            likelihood.exact.check_normalizable(rbm)
        else:
            with pytest.raises(ValueError, match="DReLU and Gaussian units need weights so small"):
                likelihood.exact.check_normalizable(rbm)


def test_0_is_on_one_side():
    unit, field = made(*SHAPE), SOME / 10
    assert_rounded(unit.distribution(field).log_prob(STATES), unit.log_prob(STATES, field))


@pytest.mark.parametrize("given", [None, [3.0, 2.0, 1.0]])
def test_data_set_the_precisions_that_are_not_given(given):
    unit, variance = made(None, given), np.array([0.25, 1.0, 4.0])
    unit.adapt_to_moments(np.zeros(3), variance, 10.0)
    assert_rounded(unit.precision, 1 / variance)
    assert_rounded(unit.negative_precision, 1 / variance if given is None else given)


def test_units_at_many_positions_have_one_parameter_a_channel():
    unit, flat = units.DReLU(*SHAPE, dtype="float64"), units.DReLU(*np.tile(SHAPE, 4), dtype="float64")
    unit.build((None, 2, 2, 3))
    flat.build((None, 12))
    assert [v.shape for v in unit.other_parameters] == [(3,)] * 3
    field, x = (tf.constant(np.random.default_rng(seed).normal(0, 3, (5, 12))) for seed in range(2))
    for ask in ("log_partitions", "mean", "mode"):
        assert_rounded(getattr(unit, ask)(field), getattr(flat, ask)(field), 10)
    assert_rounded(unit.base(x), flat.base(x), 10)
    assert_rounded(unit.tail_precisions()[0], np.tile(SHAPE[:2].min(0), 4), 10)
    mean = np.random.default_rng(2).normal(size=3)
    unit.adapt_to_moments(np.tile(mean, 4), np.ones(12), 10.0)
    assert_rounded(unit.mean(tf.constant(np.array(unit.biases)[None]))[0], np.tile(mean, 4))


def test_no_plain_layer_is_for_maps_of_them():
    rbm = ConvRBM(2, 2, hidden="drelu", seed=0)
    rbm.build((None, 3, 3, 1))
    with pytest.raises(ValueError, match="No plain layer computes the means of maps of DReLU units"):
        rbm.classifier(2)


# --- bad arguments


@pytest.mark.parametrize("precision", [0.0, -1.0, np.nan, [1.0, 0.0], []])
def test_bad_negative_precisions_are_refused(precision):
    with pytest.raises(ValueError, match=r"`negative_precision` must be positive and finite\. Received: negative_prec"):
        units.DReLU(negative_precision=precision)


@pytest.mark.parametrize("threshold", [np.nan, np.inf, [[1.0]], []])
def test_bad_thresholds_are_refused(threshold):
    with pytest.raises(ValueError, match=r"`threshold` must be finite\. Received: threshold="):
        units.DReLU(threshold=threshold)


@pytest.mark.parametrize("name", ["negative_precision", "threshold"])
def test_another_number_of_them_is_refused(name):
    with pytest.raises(ValueError, match=rf"`{name}` must be one number, or one for each of the 3 units\. Received: 2"):
        units.DReLU(**{name: [1.0, 2.0]}).build((None, 3))
