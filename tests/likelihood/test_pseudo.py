"""Pseudo-likelihood against the enumerated conditionals of single units."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rbm.likelihood import pseudo_log_likelihood
from keras_rbm.likelihood.pseudo import one_flip
from keras_rbm.random import Draws
from tests.oracles.kinds import binary_states
from tests.oracles.machines import random_dbn, random_rbm
from tests.oracles.rbm import Exact
from tests.support.modes import uncompiled
from tests.support.statistics import assert_means, assert_rounded

HIDDEN = [("bernoulli", 4), ("gaussian", 2)]


def site_terms(exact: Exact, v: np.ndarray) -> np.ndarray:
    """`log p(v_i | the others)` of each site; of fractions p, `p log p(1 | others) + (1 - p) log p(0 | others)`."""
    terms = []
    for i, p in enumerate(v):
        on, off = np.tile(v, (2, 1))
        on[i], off[i] = 1, 0
        log_on, log_off = -exact.free_energy(np.stack([on, off]))
        log_z = np.logaddexp(log_on, log_off)
        terms.append(p * (log_on - log_z) + (1 - p) * (log_off - log_z))
    return np.array(terms)


def estimates(rbm, v: np.ndarray, number: int) -> np.ndarray:
    """Drawn for each row of `v` a number of times, all in one batch: `(rows, number)`."""
    drawn = one_flip(
        rbm,
        tf.constant(np.repeat(v, number, 0)),
        rbm.hidden_field(tf.constant(np.repeat(v, number, 0))),
        Draws(tf.constant([1, 0])),
    )
    return drawn.numpy().reshape(len(v), number)


ROWS = np.array([[1, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0.25, 1, 0.5, 0, 0.9]], "float64")


@pytest.mark.parametrize(("hidden", "num_hidden"), HIDDEN)
def test_the_average_over_sites_is_the_pseudo_log_likelihood(hidden, num_hidden):
    rbm = random_rbm("bernoulli", 5, hidden, num_hidden)
    exact = Exact(rbm)
    for row, drawn in zip(ROWS, estimates(rbm, ROWS, 20000), strict=True):
        assert_means(drawn, site_terms(exact, row).sum())


@pytest.mark.parametrize(("hidden", "num_hidden"), HIDDEN)
def test_each_estimate_is_one_site_of_its_own_case(hidden, num_hidden):
    """Not a batch mean, which would be biased: every value is the width times the term of some site."""
    rbm = random_rbm("bernoulli", 5, hidden, num_hidden)
    exact = Exact(rbm)
    for row, drawn in zip(ROWS, estimates(rbm, ROWS, 200), strict=True):
        terms = 5 * site_terms(exact, row)
        distance = np.abs(drawn[:, None] - terms)
        assert distance.min(1).max() < 1e-12
        assert len(set(distance.argmin(1))) == len(set(np.round(terms, 9)))


def test_extreme_weights_stay_finite():
    rbm = random_rbm(dtype="float32")
    rbm.w_rec.assign(rbm.w_rec * 100)
    assert np.all(
        np.isfinite(
            one_flip(
                rbm,
                tf.constant(ROWS, tf.float32),
                rbm.hidden_field(tf.constant(ROWS, tf.float32)),
                Draws(tf.constant([1, 0])),
            )
        )
    )


def test_gaussian_visible_units_have_none():
    rbm = random_rbm("gaussian", 2)
    with pytest.raises(ValueError, match=r"two states\. Received: Gaussian units"):
        one_flip(
            rbm, tf.zeros((3, 2), "float64"), rbm.hidden_field(tf.zeros((3, 2), "float64")), Draws(tf.constant([1, 0]))
        )


def test_fit_logs_its_mean():
    rbm = random_rbm()
    exact = Exact(rbm)
    v = exact.draw(20000)
    rbm.compile("sgd", run_eagerly=True)
    history = rbm.evaluate(v, batch_size=20000, verbose=0, return_dict=True)
    terms = {index: site_terms(exact, row) for index, row in enumerate(exact.v)}
    singles = 5 * np.stack([terms[i] for i in (v @ 2 ** np.arange(5)).astype(int)])
    standard_error = singles.std() / np.sqrt(len(v))
    assert abs(history["pseudo_log_likelihood"] - singles.mean()) < 5 * standard_error


# --- of given data


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("hidden", "num_hidden"), HIDDEN)
def test_exact_is_the_sum_over_sites_of_each_case(hidden, num_hidden, dtype):
    rbm = random_rbm("bernoulli", 5, hidden, num_hidden, dtype=dtype)
    rbm = uncompiled(rbm) if dtype == "float64" else rbm
    exact, x = Exact(rbm), np.concatenate([ROWS.round(2), binary_states(5)])
    found = pseudo_log_likelihood(rbm, x, exact=True)
    assert found.dtype == "float64"
    expected = np.array([site_terms(exact, row).sum() for row in np.asarray(x, dtype)])
    assert_rounded(found.astype(dtype), expected.astype(dtype))


@pytest.mark.parametrize(("hidden", "num_hidden"), HIDDEN)
def test_one_site_a_case_is_unbiased(hidden, num_hidden):
    rbm = random_rbm("bernoulli", 5, hidden, num_hidden)
    exact = Exact(rbm)
    drawn = pseudo_log_likelihood(rbm, np.repeat(ROWS, 5000, 0), seed=2).reshape(len(ROWS), 5000)
    assert drawn.dtype == "float64"
    assert_means(drawn.T, [site_terms(exact, row).sum() for row in ROWS])


def test_without_weights_every_site_is_on_its_own():
    """Then it is the log-likelihood of independent units."""
    rbm = uncompiled(random_rbm())
    rbm.w_rec.assign(tf.zeros_like(rbm.w_rec))
    exact = Exact(rbm)
    v = binary_states(5)
    assert_rounded(pseudo_log_likelihood(rbm, v, exact=True), -exact.free_energy(v) - exact.log_z)


def test_a_seed_rules_which_sites_are_looked_at():
    rbm, x = random_rbm(), binary_states(5)
    first, again, other = (pseudo_log_likelihood(rbm, x, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(again, first)
    assert np.any(other != first)
    np.testing.assert_array_equal(pseudo_log_likelihood(rbm, x), pseudo_log_likelihood(rbm, x, seed=0))


def test_batches_of_a_dataset_look_at_other_sites():
    """Exact terms are those of the array; drawn ones are as many, and not the same sites in every batch."""
    rbm, exact = uncompiled(random_rbm()), Exact(random_rbm())
    x = np.repeat(ROWS[:1], 4000, 0)
    stream = tf.data.Dataset.from_tensor_slices(x).batch(40)
    drawn = pseudo_log_likelihood(rbm, stream)
    assert len(np.unique(drawn.reshape(100, 40).round(9), axis=0)) == 100
    assert_means(drawn, site_terms(exact, x[0]).sum())
    found = pseudo_log_likelihood(rbm, tf.data.Dataset.from_tensor_slices(ROWS).batch(2), exact=True)
    assert_rounded(found, pseudo_log_likelihood(rbm, ROWS, exact=True))


def test_scoring_leaves_the_model_as_it_is():
    rbm = uncompiled(random_rbm())
    before = [np.array(w) for w in rbm.variables]
    assert any("key" in w.path for w in rbm.variables)
    for exact in (False, True):
        pseudo_log_likelihood(rbm, ROWS, exact=exact)
    for old, new in zip(before, rbm.variables, strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("exact", [False, True])
def test_models_without_one_are_refused(exact):
    with pytest.raises(TypeError, match=r"that of an RBM\. Received: DBN"):
        pseudo_log_likelihood(random_dbn((4, 3)), np.zeros((2, 3)), exact=exact)
    with pytest.raises(ValueError, match=r"two states\. Received: Gaussian units"):
        pseudo_log_likelihood(random_rbm("gaussian", 2), np.zeros((2, 2)), exact=exact)
