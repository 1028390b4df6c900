"""What XLA draws in pairs is as uniform, and as independent, as it has to be."""

import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws

ROWS, COLUMNS = 401, 500


@tf.function(jit_compile=True)
def drawn(key):
    return Draws(key).uniform_like(tf.zeros((ROWS, COLUMNS)))


def numbers(seed: int = 0) -> np.ndarray:
    return drawn(tf.constant([seed, 7], tf.int64)).numpy()


def test_they_are_uniform():
    """Each 256th of the interval has its share, and so has the first 2^-10 of it, where rare events are decided."""
    u = numbers()
    assert u.shape == (ROWS, COLUMNS)
    assert u.min() >= 0
    assert u.max() < 1
    counts, expected = np.bincount((256 * u).astype(int).ravel(), minlength=256), u.size / 256
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * np.sqrt(2 * 255)
    rare = u.size / 1024
    assert abs((u < 1 / 1024).sum() - rare) < 5 * np.sqrt(rare)


def test_the_lower_bits_are_uniform_too():
    """Of the numbers below 2^-8, which have 15 bits left: their 16 parts."""
    small = np.concatenate([numbers(seed).ravel() for seed in range(20)])
    small = small[small < 2**-8]
    counts, expected = np.bincount((16 * 256 * small).astype(int), minlength=16), len(small) / 16
    assert abs(((counts - expected) ** 2 / expected).sum() - 15) < 5 * np.sqrt(2 * 15)


def test_all_numbers_differ():
    """By birthdays, of 200,500 numbers with 23 bits some 2,370 pairs are equal; shared words would make 100,000."""
    u = numbers()
    equal = u.size - len(np.unique(u))
    expected = u.size**2 / 2**24
    assert abs(equal - expected) < 8 * np.sqrt(expected)


def test_the_two_of_a_word_are_independent():
    """Where the halves go: 16 x 16 cells of rows that share words, and of rows that do not; correlation beside it."""
    u = numbers()
    half = (ROWS + 1) // 2
    pairs = u[: ROWS - half], u[half:]
    for first, second in (pairs, (u[:100], u[100:200])):
        cells = (16 * (16 * first).astype(int) + (16 * second).astype(int)).ravel()
        counts, expected = np.bincount(cells, minlength=256), cells.size / 256
        assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * np.sqrt(2 * 255)
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)


def test_a_key_draws_the_same_again_and_another_draws_others():
    np.testing.assert_array_equal(numbers(3), numbers(3))
    assert (numbers(3) == numbers(4)).mean() < 1e-3
