"""Both directions of annealing as one figure, and how far it may be off."""

import numpy as np
import pytest

from keras_rbm import RBM
from keras_rbm.jobs.dbn.report import likelihoods
from keras_rbm.likelihood import LogPartition, LogPartitionBounds, ais, log_likelihood, log_partition, reverse_ais
from keras_rbm.likelihood import exact as exact_module
from keras_rbm.likelihood.bennett import bennett
from keras_rbm.likelihood.partition import jackknife_error, joined_log_z, left_out
from tests.oracles.kinds import binary_states
from tests.oracles.machines import random_rbm, randomize
from tests.oracles.rbm import Exact
from tests.support.modes import uncompiled
from tests.support.statistics import SIGMAS, assert_rounded

RUNS, CHAINS = 100, 40


def bounds_of(forward: np.ndarray, backward: np.ndarray) -> LogPartitionBounds:
    lower = LogPartition.of_mean_weight(forward, 1, "lower bound")
    return LogPartitionBounds(lower, LogPartition.of_mean_weight(backward, -1, "upper bound"))


@pytest.mark.parametrize("betas", [[0, 1], [0, 0.3, 0.6, 1], np.linspace(0, 1, 41)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_the_truth_is_within_two_standard_errors_as_often_as_it_should_be(scale, betas):
    """In at least 90 of 100 independent repetitions, in schedules so coarse that weights part by nats."""
    rbm = uncompiled(random_rbm("bernoulli", 8, "bernoulli", 6))
    randomize(rbm, scale)
    log_z, options = Exact(rbm).log_z, {"num_chains": RUNS * CHAINS, "betas": betas, "seed": 1, "verbose": 0}
    weights = [f(rbm, **options).log_weights.reshape(RUNS, CHAINS) for f in (ais, reverse_ais)]
    errors, standard_errors = joined_log_z(*weights).numpy() - log_z, jackknife_error(left_out(*weights))
    assert np.sum(np.abs(errors) < 2 * standard_errors) >= 90
    assert 0.8 < np.sqrt(np.mean(standard_errors**2)) / errors.std() < 1.25  # and they do not exaggerate
    assert abs(errors.mean()) < SIGMAS * errors.std() / np.sqrt(RUNS) + 0.02  # of second order


def test_joined_errs_less_than_either_direction_where_weights_spread():
    rbm = uncompiled(random_rbm("bernoulli", 8, "bernoulli", 6))
    randomize(rbm, 1.5)
    options = {"num_chains": RUNS * CHAINS, "betas": [0, 0.3, 0.6, 1], "seed": 2, "verbose": 0}
    weights = [f(rbm, **options).log_weights.reshape(RUNS, CHAINS) for f in (ais, reverse_ais)]
    sides = [
        [LogPartition.of_mean_weight(w, way, "").log_z for w in side]
        for side, way in zip(weights, (1, -1), strict=True)
    ]
    joined, lower, upper = (
        np.sqrt(np.mean((np.array(z) - Exact(rbm).log_z) ** 2)) for z in (joined_log_z(*weights), *sides)
    )
    assert joined < 0.5 * min(lower, upper)


def test_it_is_bennetts_ratio_of_all_chains_and_says_how_far_they_overlap():
    rng = np.random.default_rng(0)
    forward, backward = rng.normal(5, 1, 30), rng.normal(6, 1, 50)
    found = bounds_of(forward, backward).joined
    assert_rounded(found.log_z, float(bennett(forward, backward)))
    assert found.kind == "estimate"
    np.testing.assert_array_equal(found.log_weights, np.concatenate([forward, backward]))
    same = bounds_of(np.full(30, 2.0), np.full(30, 2.0)).joined
    assert_rounded([same.log_z, same.effective_sample_size], [2.0, 60.0])
    assert same.standard_error < 1e-9
    apart = bounds_of(np.full(30, -20.0) + rng.normal(0, 0.1, 30), np.full(30, 20.0)).joined
    assert apart.effective_sample_size < 1e-6


def test_of_a_single_chain_nothing_is_known_of_the_error():
    assert np.isnan(bounds_of(np.array([1.0]), np.array([2.0])).joined.standard_error)


def test_groups_are_left_out_one_at_a_time():
    """Of the mean, for which the jackknife is the usual standard error; and all rows of a batch alike."""
    x = np.random.default_rng(0).normal(size=40)
    without = np.array([np.delete(x, i).mean() for i in range(40)])
    assert_rounded(jackknife_error(without), x.std(ddof=1) / np.sqrt(40))
    f, g = np.random.default_rng(1).normal(size=(2, 3, 45))
    found = left_out(f, g)
    assert found.shape == (20, 3)
    kept = np.arange(45) % 20 != 7
    assert_rounded(found[7], [float(bennett(a[kept], b[kept])) for a, b in zip(f, g, strict=True)], 1e4)


@pytest.fixture
def not_enumerable(monkeypatch) -> None:
    """More than two states are too many to enumerate."""
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)


def machine() -> RBM:
    return uncompiled(random_rbm())


def test_likelihoods_are_those_of_the_joined_figure(not_enumerable):
    rbm, v = machine(), binary_states(5)[::3]
    options = {"num_chains": 50, "num_temperatures": 50, "burn_in": 20, "seed": 4, "verbose": 0}
    found, bounds = log_likelihood(rbm, v, **options), log_partition(rbm, v, **options)
    joined = bounds.joined
    np.testing.assert_array_equal(found.log_partition.lower.log_weights, bounds.lower.log_weights)
    np.testing.assert_array_equal(found.log_partition.upper.log_weights, bounds.upper.log_weights)
    assert_rounded(found.per_case, -Exact(rbm).free_energy(v) - joined.log_z)
    assert_rounded(found.joined, found.per_case.mean())
    assert found.standard_error == joined.standard_error > 0
    truth = (-Exact(rbm).free_energy(v) - Exact(rbm).log_z).mean()
    assert abs(found.joined - truth) < SIGMAS * found.standard_error


def test_where_it_is_exact_so_is_the_joined_figure():
    rbm, v = machine(), binary_states(5)
    found = log_likelihood(rbm, v)
    assert found.joined == found.lower
    assert found.standard_error == 0
    np.testing.assert_array_equal(found.per_case, found.per_case_lower)
    exact = log_partition(rbm)
    assert exact.joined is exact.lower
    assert_rounded(exact.joined.log_z, Exact(rbm).log_z)


def test_a_single_chain_is_said_to_have_no_standard_error(not_enumerable):
    options = {"num_temperatures": 50, "burn_in": 2, "verbose": 0}
    for num_chains, words in ((1, "; a single chain has no standard error)"), (2, " +- ")):
        found = likelihoods(machine(), binary_states(5), binary_states(5), num_chains=num_chains, **options)
        said = " ".join(found.values())
        assert words in said
        assert said.count("no standard error, effective sample size") == 3 * (num_chains == 1)
        assert "nan" not in said


def test_what_is_refused(not_enumerable):
    with pytest.raises(ValueError, match=r"needs training data to start its chains from\. Received: data=None"):
        log_partition(machine())
    with pytest.raises(ValueError, match=r"`burn_in` must be a positive integer\. Received: burn_in=0"):
        log_partition(machine(), binary_states(5), burn_in=0)
    with pytest.raises(TypeError):
        log_partition(object())
