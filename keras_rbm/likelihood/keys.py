"""Where the random numbers of likelihoods come from."""

from __future__ import annotations

from enum import Enum, auto

import tensorflow as tf

from keras_rbm.arguments import checked_seed
from keras_rbm.random import own, spawned


class Use(Enum):
    """What a seed is used for: each use has random numbers of its own."""

    AIS_START = auto()
    AIS = auto()
    REVERSE_AIS = auto()
    STATES_OF_DATA = auto()
    SCORES = auto()
    FLIPPED_UNITS = auto()
    BURN_IN = auto()
    EXACT_DRAWS = auto()
    FRAMES = auto()


def key_of(seed: int | None, use: Use) -> tf.Tensor:
    """Where the random numbers of one use of a seed start; training never sees them.

    Raises:
        ValueError: if the seed is none.
    """
    return tf.constant(spawned(checked_seed(seed) or 0, "likelihood", use.name), tf.int64)


def key_at(key: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """The key of the sweep, or batch, with a number, on this replica: 16 draws apart."""
    return own(key) + tf.stack([tf.zeros((), tf.int64), tf.cast(number, tf.int64) * 16])
