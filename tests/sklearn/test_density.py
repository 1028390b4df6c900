"""Densities that add up to one, samples from them, outliers."""

import itertools

import numpy as np
import pytest

from keras_rbm.sklearn import RBMDensity, RBMOutlierDetector

RNG = np.random.default_rng(0)
#: Two clusters in a plane, of columns with very different units.
PLANE = (RNG.normal(size=(120, 2)) + RNG.integers(0, 2, (120, 1)) * 6) * [1.0, 100.0] + [0.0, 500.0]
BRIEF = {"n_iter": 40, "batch_size": 40, "learning_rate": 0.05, "random_state": 0}


@pytest.fixture(scope="module", name="density", params=[False, True], ids=["columns", "whitened"])
def fixture_density(request: pytest.FixtureRequest) -> RBMDensity:
    return RBMDensity(4, whiten=request.param, **BRIEF).fit(PLANE)


def test_the_density_is_one_in_all_in_the_units_of_the_data(density: RBMDensity) -> None:
    side = np.linspace(-30, 36, 200)
    points = np.array(list(itertools.product(side, 100 * side + 500)))
    cell = np.ptp(side) / 199 * np.ptp(100 * side) / 199
    assert np.exp(density.score_samples(points)).sum() * cell == pytest.approx(1, abs=1e-3)


def test_samples_have_the_density(density: RBMDensity) -> None:
    sampled = density.sample(4000)
    np.testing.assert_array_equal(density.sample(4000), sampled)
    side = np.linspace(-30, 36, 200)
    points = np.array(list(itertools.product(side, 100 * side + 500)))
    p = np.exp(density.score_samples(points))
    mean = p @ points / p.sum()
    deviation = np.sqrt(p @ (points - mean) ** 2 / p.sum())
    assert (np.abs(sampled.mean(0) - mean) < 5 * deviation / np.sqrt(4000)).all()


def test_zeros_and_ones_have_probabilities() -> None:
    bits = (RNG.random((50, 3)) < [0.1, 0.5, 0.9]).astype(float)
    density = RBMDensity(3, **{**BRIEF, "n_iter": 1}).fit(bits)
    states = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    assert np.exp(density.score_samples(states)).sum() == pytest.approx(1)
    assert density.score(bits) == pytest.approx(density.score_samples(bits).mean())


@pytest.mark.slow
def test_a_constant_that_is_estimated_is_near_the_exact_one() -> None:
    exact = RBMDensity(21, visible="gaussian", **{**BRIEF, "n_iter": 1}).fit(PLANE)  # too many to enumerate
    assert np.exp(exact.score_samples(exact.sample(500, 100))).min() > 0
    side = np.linspace(-30, 36, 200)
    points = np.array(list(itertools.product(side, 100 * side + 500)))
    cell = np.ptp(side) / 199 * np.ptp(100 * side) / 199
    assert np.exp(exact.score_samples(points)).sum() * cell == pytest.approx(1, abs=0.05)


def test_outliers_are_those_with_the_lowest_scores() -> None:
    planted = np.concatenate([PLANE, [[40.0, -3000.0], [-30.0, 5000.0]]])
    detector = RBMOutlierDetector(4, contamination=0.05, **BRIEF)
    answers = detector.fit_predict(planted)
    assert set(np.argsort(detector.score_samples(planted))[:2]) == {120, 121}
    assert (answers == -1).sum() == pytest.approx(0.05 * 122, abs=1)
    np.testing.assert_array_equal(answers == -1, detector.decision_function(planted) < 0)


@pytest.mark.parametrize("contamination", [0, 0.6, "some"])
def test_a_share_of_outliers_out_of_range_is_refused(contamination: object) -> None:
    with pytest.raises(ValueError, match="`contamination` must be in"):
        RBMOutlierDetector(contamination=contamination).fit(PLANE)
