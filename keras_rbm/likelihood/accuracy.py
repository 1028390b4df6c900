"""How much of the frames of sequences a model gets right."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def expected_accuracy(v: np.ndarray, mean: np.ndarray) -> float:
    """True positives over true positives, false positives and false negatives, of data `v` when units are drawn with
    probabilities `mean`, both `(frames, visible)`: expected counts, summed over all frames."""
    true_positives = np.sum(v * mean, dtype="float64")
    either = np.sum(v, dtype="float64") + np.sum(mean, dtype="float64") - true_positives
    return float(true_positives / either) if either else 1.0


def shared_units(v: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """How much of each frame of data `v` is in a draw `x`, `(frames, visible)`, as `frame_accuracy` counts it."""
    most = tf.maximum(tf.reduce_sum(v, -1), tf.reduce_sum(x, -1))
    return tf.where(most > 0, tf.math.divide_no_nan(tf.reduce_sum(v * x, -1), most), tf.ones_like(most))
