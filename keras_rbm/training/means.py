"""Means over a batch, all replicas of a step together."""

from __future__ import annotations

import tensorflow as tf

from keras_rbm import replicas


def shares(weights: tf.Tensor, *others: tf.Tensor) -> list[tf.Tensor]:
    """What each case counts in a mean over the whole batch, of all replicas; nothing where all `weights` are 0.

    Args:
        weights: of the batch's cases, `(batch,)`.
        others: of other cases, such as samples of the model.
    """
    every = [weights, *others]
    totals = replicas.summed([tf.reduce_sum(x) for x in every])
    some = tf.cast(totals[0] > 0, weights.dtype)
    first, *rest = (tf.math.divide_no_nan(x, total) for x, total in zip(every, totals, strict=True))
    return [first, *(some * x for x in rest)]


def mean(x: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Mean over the batch, `(batch,)` to a scalar or `(batch, n)` to `(n,)`: of several replicas this one's part, which
    `replicas.summed` adds to the others'."""
    return tf.tensordot(share, x, 1)
