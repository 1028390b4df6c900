"""Effects, and how far chance alone reaches: against data whose truth is known."""

import numpy as np
import pytest

from keras_rbm.diagnosis import comparison
from keras_rbm.diagnosis.comparison import Effect
from tests.support.statistics import SIGMAS

COLUMNS = 12


def gaussian(number: int, strength: float, seed: int) -> np.ndarray:
    """Rows of which each two columns have the same correlation."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(number, 1)), rng.normal(size=(number, COLUMNS))
    return np.sqrt(strength) * common + np.sqrt(1 - strength) * own


def pairs() -> np.ndarray:
    return ~np.eye(COLUMNS, dtype=bool)


@pytest.mark.parametrize(
    ("size", "error", "tests", "verdict"),
    [
        (0.19, 0.0, 1, "ok"),
        (0.21, 0.0, 1, "look"),
        (0.51, 0.0, 1, "bad"),
        (0.49, 0.1, 1, "ok"),  # 2.9 errors above 0.2
        (0.51, 0.1, 1, "look"),
        (0.81, 0.1, 1, "bad"),
        (0.51, 0.1, 100, "ok"),  # the worst of many
        (float("nan"), 0.0, 1, "ok"),
    ],
)
def test_verdicts(size, error, tests, verdict):
    assert Effect(size, error, tests).verdict == verdict


@pytest.mark.parametrize(("of_samples", "expected"), [(0.4, 1.0), (0.2, 0.5), (0.0, 0.0)])
def test_the_slope_is_the_share_of_correlations(of_samples, expected):
    found = comparison.slope(gaussian(1000, 0.4, 0), gaussian(1000, of_samples, 1), pairs())
    assert abs(found.slope - expected) < SIGMAS * found.error
    assert found.error < 0.1
    assert found.strength > comparison.SIGMAS


def test_noise_of_the_data_flattens_no_slope():
    """Twenty correlated pairs among 780: of 60 rows chance makes most of the sum of squares."""

    def twins(number: int, strength: float, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(2, number, 20))
        return np.hstack([a, strength * a + np.sqrt(1 - strength**2) * b])

    found = []
    for seed in range(30):
        data, samples = twins(60, 0.6, seed), twins(1000, 0.3, 1000 + seed)
        found.append(comparison.slope(data, samples, ~np.eye(40, dtype=bool)).slope)
        own = comparison.correlations(data) * ~np.eye(40, dtype=bool)
        assert np.sum(own * comparison.correlations(samples)) / np.sum(own**2) < 0.3
    assert abs(np.mean(found) - 0.5) < 0.05


def test_a_model_that_knows_the_rows_by_heart_has_their_noise_too():
    data = gaussian(60, 0.3, 3)
    assert comparison.slope(data, np.tile(data, (10, 1)), pairs()).slope == pytest.approx(1.0)


def test_columns_without_correlations_have_no_slope():
    found = comparison.slope(gaussian(500, 0.0, 0), gaussian(500, 0.0, 1), pairs())
    assert np.isnan(found.slope)
    assert found.strength < comparison.SIGMAS


def test_shifts_are_as_large_as_their_errors_say():
    """By chance, and of two rates; Cohen's d is in pooled deviations."""
    rng = np.random.default_rng(0)
    a, b = rng.random((200, 4000)) < 0.3, rng.random((700, 4000)) < 0.3
    sizes, errors = comparison.shifts(a.astype(float), b.astype(float))
    assert abs(np.std(sizes / errors) - 1) < SIGMAS / np.sqrt(2 * 4000)
    (size,), _ = comparison.shifts(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
    assert size == 3.0
    assert comparison.shifts(np.zeros((3, 1)), np.zeros((3, 1)))[0] == 0


def test_spreads_are_logs_of_ratios():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 2000)), 1.5 * rng.normal(size=(500, 2000))
    sizes, errors = comparison.spreads(a, b)
    assert abs(np.mean(sizes) - np.log(1.5)) < 0.01
    assert abs(np.std(sizes) / np.mean(errors) - 1) < SIGMAS / np.sqrt(2 * 2000) + 0.02  # errors are estimates, too


def test_the_worst_is_the_surest_not_the_largest():
    where, effect = comparison.worst(np.array([0.1, -0.9, 1.0]), np.array([0.0, 0.01, 0.3]))
    assert (where, effect) == (1, Effect(0.9, 0.01, 3))


def test_memory_is_a_correlation_along_the_directions_that_differ_most():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(2000, 3)) * [3.0, 1.0, 1.0]
    now = 0.6 * start + 0.8 * rng.normal(size=start.shape) * [3.0, 1.0, 1.0]
    np.testing.assert_allclose(comparison.memory(start, now), 0.6, atol=SIGMAS / np.sqrt(2000))
    assert np.all(comparison.memory(start, -now) == 0)
    first = comparison.components(gaussian(1000, 0.5, 0))[:, 0]
    assert np.all(np.abs(np.abs(first) - 1 / np.sqrt(COLUMNS)) < 0.05)


def test_columns_that_hardly_vary_are_left_out():
    x = np.zeros((100, 3))
    x[:4, 0] = x[:5, 1] = x[:96, 2] = 1
    np.testing.assert_array_equal(comparison.varying(x), [False, True, False])
