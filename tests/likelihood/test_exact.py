"""Exact partition functions and exact draws against brute force."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import likelihood
from keras_rbm.likelihood import exact as under_test
from tests.oracles.machines import (
    ALL_PAIRINGS,
    gaussian_rbm,
    random_dbn,
    random_rbm,
    randomize,
    randomize_small,
    small_rbm,
)
from tests.oracles.rbm import Exact, parameters
from tests.support.statistics import assert_frequencies, assert_moments, assert_rounded

NUM = 40000
#: Either side the smaller one.
SHAPES = {"few hidden units": (5, 3), "few visible units": (3, 5), "as many": (4, 4)}


@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
def test_log_partition_is_the_sum_over_all_states(pairing):
    rbm = small_rbm(pairing)
    for seed in range(3):
        randomize_small(rbm, seed=seed)
        assert_rounded(likelihood.exact_log_partition(rbm), Exact(rbm).log_z)


@pytest.mark.parametrize("shape", SHAPES)
def test_either_side_may_be_the_smaller_one(shape):
    num_visible, num_hidden = SHAPES[shape]
    rbm = random_rbm(num_visible=num_visible, num_hidden=num_hidden)
    assert_rounded(likelihood.exact_log_partition(rbm), Exact(rbm).log_z)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("per_chunk", [1, 3, 5])
def test_the_size_of_the_chunks_changes_nothing(shape, per_chunk, monkeypatch):
    """Three states a time do not divide 8 or 16 evenly."""
    num_visible, num_hidden = SHAPES[shape]
    rbm = random_rbm(num_visible=num_visible, num_hidden=num_hidden)
    log_z, draws = Exact(rbm).log_z, under_test.exact_draws(rbm, NUM, seed=0)
    monkeypatch.setattr(under_test, "_CHUNK", per_chunk * max(SHAPES[shape]))
    assert_rounded(likelihood.exact_log_partition(rbm), log_z)
    assert_frequencies(Exact(rbm).index(under_test.exact_draws(rbm, NUM, seed=0)), Exact(rbm).p_v)
    assert draws.shape == (NUM, num_visible)


@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
def test_float32_parameters_are_summed_in_float64(pairing):
    """No digit is lost beyond those of the parameters themselves, which `Exact` reads as they are."""
    rbm = small_rbm(pairing, dtype="float32")
    log_z = likelihood.exact_log_partition(rbm)
    assert isinstance(log_z, float)
    assert_rounded(log_z, Exact(rbm).log_z)


def test_energies_too_large_for_float32_and_for_exp():
    """Of pairs that are independent, `log Z` is known: here it is thousands of nats."""
    rbm = random_rbm(num_visible=12, num_hidden=12, dtype="float32")
    randomize(rbm, 300)
    w, b, c = parameters(rbm)[:3]
    rbm.w_rec.assign(np.diag(np.diag(w)))
    pairs = np.logaddexp.reduce([np.zeros(12), b, c, b + c + np.diag(w)])
    assert pairs.sum() > 1000
    assert_rounded(likelihood.exact_log_partition(rbm), pairs.sum())


@pytest.mark.parametrize(("num_visible", "num_hidden"), [(2, 1), (1, 2)])
def test_gaussian_units_on_both_sides_on_a_grid(num_visible, num_hidden):
    rbm = gaussian_rbm(num_visible, num_hidden)
    assert_rounded(likelihood.exact_log_partition(rbm), Exact(rbm).log_z)


def test_more_gaussian_units_on_both_sides_by_hand():
    """The hidden units are integrated out first, then the visible ones."""
    rbm = gaussian_rbm(3, 2)
    w, b, c, gamma_v, gamma_h = parameters(rbm)
    precision, linear = np.diag(gamma_v) - w / gamma_h @ w.T, b + w @ (c / gamma_h)
    over_h = (np.log(2 * np.pi / gamma_h) + c**2 / gamma_h).sum() / 2
    over_v = (3 * np.log(2 * np.pi) - np.log(np.linalg.det(precision)) + linear @ np.linalg.inv(precision) @ linear) / 2
    assert_rounded(likelihood.exact_log_partition(rbm), over_h + over_v)
    mean = np.linalg.solve(precision, linear)
    assert_moments(under_test.exact_draws(rbm, NUM, seed=3), mean, np.linalg.inv(precision))


def test_gaussian_units_on_both_sides_may_have_no_partition_function():
    """Its limit is where the coupling, in deviations, has a singular value of one: weights here are half of that."""
    rbm = gaussian_rbm(3, 2)
    w = np.array(rbm.w_rec)
    rbm.w_rec.assign(1.999 * w)
    assert np.isfinite(likelihood.exact_log_partition(rbm))
    rbm.w_rec.assign(2.001 * w)
    message = r"diverges.*positive definite\. Received: a smallest eigenvalue of -.*kernel_constraint"
    with pytest.raises(ValueError, match=message):
        likelihood.exact_log_partition(rbm)
    with pytest.raises(ValueError, match=message):
        under_test.exact_draws(rbm, 5, seed=0)


def test_a_dbn_means_its_top():
    dbn = random_dbn()
    assert_rounded(likelihood.exact_log_partition(dbn), Exact(dbn.top).log_z)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("pairing", ALL_PAIRINGS)
def test_draws_are_those_of_the_model(pairing, seed):
    rbm = small_rbm(pairing, seed=seed)
    exact, v = Exact(rbm), under_test.exact_draws(rbm, NUM, seed)
    if exact.parameters.gamma_v.any():
        assert_moments(v, *exact.moments())
    else:
        assert_frequencies(exact.index(v), exact.p_v)


@pytest.mark.parametrize("shape", SHAPES)
def test_draws_from_either_side(shape):
    num_visible, num_hidden = SHAPES[shape]
    rbm = random_rbm(num_visible=num_visible, num_hidden=num_hidden, dtype="float32")
    assert_frequencies(Exact(rbm).index(under_test.exact_draws(rbm, NUM, seed=0)), Exact(rbm).p_v)


@pytest.mark.parametrize("pairing", [*ALL_PAIRINGS, "few visible units"])
def test_a_seed_gives_the_same_draws_and_leaves_the_generators_alone(pairing):
    rbm = small_rbm(pairing) if pairing in ALL_PAIRINGS else random_rbm(num_visible=3, num_hidden=5)
    key = np.array(rbm.stream.key)
    first = under_test.exact_draws(rbm, 50, seed=4)
    np.testing.assert_array_equal(under_test.exact_draws(rbm, 50, seed=4), first)
    assert np.any(under_test.exact_draws(rbm, 50, seed=5) != first)
    np.testing.assert_array_equal(rbm.stream.key, key)


def test_a_million_states_are_not_too_many():
    """One more unit on the smaller side is: see the tests of bad input."""
    assert under_test.can_be_exact(random_rbm(num_visible=21, num_hidden=20))
    assert under_test.can_be_exact(random_rbm(num_visible=20, num_hidden=21))
    assert not under_test.can_be_exact(random_rbm(num_visible=21, num_hidden=21))
    assert under_test.can_be_exact(random_rbm("gaussian", 3, "bernoulli", 20))
    assert not under_test.can_be_exact(random_rbm("gaussian", 3, "bernoulli", 21))
    assert under_test.can_be_exact(gaussian_rbm(3, 2))


def test_weights_are_read_anew():
    """Nothing of an earlier answer is kept."""
    rbm = random_rbm()
    first = likelihood.exact_log_partition(rbm)
    rbm.hidden.bias.assign(tf.zeros(4))
    assert_rounded(likelihood.exact_log_partition(rbm), Exact(rbm).log_z)
    assert abs(likelihood.exact_log_partition(rbm) - first) > 0.1
