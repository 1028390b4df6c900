"""Pseudo-likelihood against the enumerated conditionals of single units."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rbm.likelihood.pseudo import one_flip
from keras_rbm.random import Draws
from tests.enumeration import Exact, random_rbm
from tests.statistics import assert_means

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
    drawn = one_flip(rbm, tf.constant(np.repeat(v, number, 0)), Draws(tf.constant([1, 0])))
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
    assert np.all(np.isfinite(one_flip(rbm, tf.constant(ROWS, tf.float32), Draws(tf.constant([1, 0])))))


def test_gaussian_visible_units_have_none():
    rbm = random_rbm("gaussian", 2)
    with pytest.raises(ValueError, match=r"two states\. Received: Gaussian units"):
        one_flip(rbm, tf.zeros((3, 2), "float64"), Draws(tf.constant([1, 0])))


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
