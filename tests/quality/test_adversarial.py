"""Nearest neighbours: by loops, by what is known of two sets, and by chance."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from keras_rbm.quality import adversarial_accuracy
from tests.support.statistics import assert_mean, assert_means


def by_loops(data: np.ndarray, samples: np.ndarray) -> tuple[Fraction, Fraction]:
    """Whole numbers; of those that are equally near, each counts alike."""
    rows = [(0, row) for row in data.tolist()] + [(1, row) for row in samples.tolist()]
    shares: dict[int, list[Fraction]] = {0: [], 1: []}
    for i, (side, row) in enumerate(rows):
        far = {j: sum((a - b) ** 2 for a, b in zip(row, rows[j][1], strict=True)) for j in range(len(rows)) if j != i}
        nearest = [j for j, distance in far.items() if distance == min(far.values())]
        shares[side].append(Fraction(sum(rows[j][0] == side for j in nearest), len(nearest)))
    return sum(shares[0]) / len(data), sum(shares[1]) / len(samples)


@pytest.mark.parametrize(("columns", "values"), [(1, 3), (3, 2), (6, 2), (4, 9), (2, 1)])
def test_it_is_that_of_loops_with_ties(columns, values):
    rng = np.random.default_rng(columns)
    data, samples = (rng.integers(0, values, (15, columns)) for _ in range(2))
    found = adversarial_accuracy(data, samples)
    np.testing.assert_allclose(
        (found.truth, found.syn), [float(share) for share in by_loops(data, samples)], rtol=1e-14
    )
    assert found.num_rows == 15
    assert found.mean == (found.truth + found.syn) / 2
    assert found.distance == max(abs(found.truth - 0.5), abs(found.syn - 0.5))


def test_real_rows_that_are_equal_are_tied_however_large_their_values_are():
    """Each row twice on either side: of its three nearest one is of its own side."""
    rows = 1e4 + np.random.default_rng(0).normal(size=(50, 30)).repeat(2, 0)
    found = adversarial_accuracy(rows, rows[::-1])
    assert found[:2] == pytest.approx((1 / 3, 1 / 3))


def test_parts_are_put_together_and_memory_grows_with_rows_alone(monkeypatch):
    rng = np.random.default_rng(0)
    data, samples = rng.normal(size=(2, 1000, 3))
    expected = adversarial_accuracy(data, samples)
    monkeypatch.setattr("keras_rbm.quality.adversarial._MEGABYTES", 1)
    tracemalloc.start()
    assert adversarial_accuracy(data, samples) == pytest.approx(expected)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6 < 2000**2 * 8 / 3


def normal(columns: int, deviation: float = 1.0):
    return lambda rng, n: deviation * rng.normal(size=(n, columns))


def bits(columns: int, p: float = 0.5):
    return lambda rng, n: rng.random((n, columns)) < p


def modes(*shares: float):
    """Groups far apart, of which there is so much."""
    return lambda rng, n: 0.1 * rng.normal(size=(n, 3)) + 9 * rng.choice(len(shares), (n, 1), p=shares)


#: Data, samples, and whether they are of one kind; many dimensions, in which few rows are next to many; few states.
PAIRS = {
    "plane": (normal(2), normal(2), True),
    "200 dimensions": (normal(200), normal(200), True),
    "32 states": (bits(5), bits(5), True),
    "4 states": (bits(2), bits(2), True),
    "narrower": (normal(50), normal(50, 0.9), False),
    "other states": (bits(5), bits(5, 0.3), False),
    "other weights": (modes(0.5, 0.5), modes(0.9, 0.1), False),
}


@pytest.mark.parametrize("name", PAIRS)
def test_errors_are_those_of_many_draws(name):
    """Not much too small, and not twice too large; beside others of their kind, intervals of 2 errors hold 0.5."""
    make_data, make_samples, alike = PAIRS[name]
    rng, n, number = np.random.default_rng(0), 60, 150
    found = [adversarial_accuracy(make_data(rng, n), make_samples(rng, n)) for _ in range(number)]
    for values, errors in (zip(*((each[k], each[k + 2]) for each in found), strict=True) for k in (0, 1)):
        assert 0.85 < np.mean(errors) / np.std(values) < 1.8
        if alike:
            inside = np.abs(np.subtract(values, 0.5)) < 2 * np.array(errors)
            assert inside.mean() > 0.954 - 3 * np.sqrt(0.954 * 0.046 / number)
            assert_means(values, (n - 1) / (2 * n - 1))


def test_what_either_side_means():
    rng, n = np.random.default_rng(1), 400
    apart = adversarial_accuracy(normal(5)(rng, n), 20 + normal(5)(rng, n))
    assert apart[:4] == (1, 1, 0, 0)
    narrow = adversarial_accuracy(normal(30)(rng, n), normal(30, 0.7)(rng, n))
    assert narrow.truth < 0.2 < 0.8 < narrow.syn
    wide = adversarial_accuracy(normal(30, 0.7)(rng, n), normal(30)(rng, n))
    assert wide.syn < 0.2 < 0.8 < wide.truth
    rows = normal(30)(rng, n)
    copies = adversarial_accuracy(rows, rng.permutation(rows) + 1e-3 * normal(30)(rng, n))
    assert max(copies[:2]) < 0.01


@pytest.mark.parametrize("covered", [0.5, 0.2])
def test_missing_modes(covered):
    """Samples that are all in a mode which has this share of data: each side is `1 / (1 + share)`."""
    found = [
        adversarial_accuracy(modes(covered, 1 - covered)(rng, 300), modes(1, 0)(rng, 300))
        for rng in map(np.random.default_rng, range(5))
    ]
    for side in (0, 1):
        error = np.mean([each[side + 2] for each in found])
        assert_mean(float(np.mean([each[side] for each in found])), 5, 1 / (1 + covered), error)


@pytest.mark.parametrize(
    ("data", "samples", "message"),
    [
        (np.zeros((3, 2)), np.zeros((4, 2)), r"Received: shapes \(3, 2\) and \(4, 2\)"),
        (np.zeros((3, 2)), np.zeros((3, 3)), "as many rows of as many columns"),
        (np.zeros(3), np.zeros(3), r"Received: shapes \(3,\)"),
        (np.zeros((1, 2)), np.zeros((1, 2)), "at least 2"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "must be finite"),
    ],
)
def test_bad_input(data, samples, message):
    with pytest.raises(ValueError, match=message):
        adversarial_accuracy(data, samples)
