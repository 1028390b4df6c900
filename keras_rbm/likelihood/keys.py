"""Where the random numbers of likelihoods come from."""

from __future__ import annotations

from enum import IntEnum

import tensorflow as tf

from keras_rbm.arguments import checked_seed


class Use(IntEnum):
    """What a seed is used for: each use has random numbers of its own."""

    AIS_START = 1
    AIS = 2
    REVERSE_AIS = 3
    STATES_OF_DATA = 4
    SCORES = 5
    FLIPPED_UNITS = 6
    BURN_IN = 7
    EXACT_DRAWS = 8
    FRAMES = 9


def key_of(seed: int | None, use: Use) -> tf.Tensor:
    """Where the random numbers of one use of a seed start: 2^28 draws apart, and from those of training.

    Under XLA a key has 32 bits a word, so what tells uses apart is in the low ones.

    Raises:
        ValueError: if the seed is none.
    """
    return tf.constant([checked_seed(seed) or 0, use << 28], tf.int64)


def key_at(key: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """The key of the sweep, or batch, with a number: 16 draws apart."""
    return key + tf.stack([tf.zeros((), tf.int64), tf.cast(number, tf.int64) * 16])
