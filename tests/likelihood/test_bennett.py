"""Bennett's acceptance ratio against known free-energy differences."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import brentq
from scipy.special import expit

from keras_rbm.likelihood.bennett import bennett

RNG = np.random.default_rng(0)


def excess(c: float, f: np.ndarray, g: np.ndarray) -> float:
    m = np.log(len(f) / len(g))
    return expit(f - c - m).sum() - expit(c + m - g).sum()


@pytest.mark.parametrize(("forward", "backward"), [(1000, 1000), (500, 3000), (3000, 300)])
def test_normal_weights_have_the_ratio_that_their_overlap_says(forward, backward):
    """Normal work of variance s^2 obeys the fluctuation theorem where its means are s^2 / 2 beside the difference."""
    s, difference, times = 2.0, 5.0, 200
    work = [RNG.normal(difference + sign * s**2 / 2, s, (times, n)) for sign, n in ((-1, forward), (1, backward))]
    found = bennett(*work).numpy()
    assert abs(found.mean() - difference) < 4 * found.std() / np.sqrt(times)
    assert found.std() < 0.1


def test_it_is_the_root_of_its_equation_whatever_the_numbers_and_sizes():
    for n_forward, n_backward, shift in ((3, 3, 0.0), (1, 7, 1e4), (9, 2, -1e4), (5, 5, 50.0)):
        f, g = RNG.normal(shift, 3, n_forward), RNG.normal(shift + 2, 3, n_backward)
        root = brentq(excess, shift - 50, shift + 50, args=(f, g), xtol=1e-12)
        np.testing.assert_allclose(bennett(f, g).numpy(), root, rtol=0, atol=1e-8)


def test_it_changes_its_sign_with_the_direction_and_sets_apart_meet_half_way():
    f, g = RNG.normal(0, 1, 20), RNG.normal(3, 1, 30)
    np.testing.assert_allclose(bennett(f, g), -bennett(-g, -f), atol=1e-9)
    np.testing.assert_allclose(bennett(np.full(5, -1e3), np.full(5, 1e3)), 0, atol=1e-6)


def test_one_compiled_call_for_many_pairs():
    f, g = RNG.normal(0, 1, (4, 10)), RNG.normal(1, 1, (4, 12))
    together = tf.function(bennett, jit_compile=True)(f, g)
    np.testing.assert_allclose(together, [bennett(a, b) for a, b in zip(f, g, strict=True)], atol=1e-9)
