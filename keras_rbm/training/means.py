"""Means over a batch."""

from __future__ import annotations

import tensorflow as tf


def weighted_mean(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean over the batch, `(batch,)` to a scalar or `(batch, n)` to `(n,)`; all weights `(batch,)` 0 give 0."""
    share = tf.math.divide_no_nan(weights, tf.reduce_sum(weights))
    return tf.tensordot(share, x, 1)
