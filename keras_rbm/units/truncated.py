"""Normal variables that are cut off at 0, of deviation 1: with all digits, however far out the cut is."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_rbm.special import erfc, erfinv

#: Where the ratio of density to tail probability gives way to its continued fraction, and the terms of that.
_FAR, _TERMS = 5.0, 20
#: Steps of Newton's method in drawing a state, from a start that is right to the second order.
_STEPS = 3


def log_mass(z: tf.Tensor) -> tf.Tensor:
    """`log` of the integral of `exp(z x - x^2 / 2)` over `x > 0`."""
    near, far = tf.maximum(z, -_FAR), tf.maximum(-z, _FAR)
    inner = tf.square(near) / 2 + tf.math.log(math.sqrt(math.pi / 2) * erfc(-near / math.sqrt(2)))
    outer = -tf.math.log(far + excess(far))  # Mills's ratio
    return tf.where(z > -_FAR, inner, outer)


def excess(t: tf.Tensor) -> tf.Tensor:
    """`E[X - t | X > t]` of a standard normal variable `X`: without cancellation at any `t`."""
    near, far = tf.minimum(t, _FAR), tf.maximum(t, _FAR)
    hazard = math.sqrt(2 / math.pi) * tf.exp(-tf.square(near) / 2) / erfc(near / math.sqrt(2))
    fraction = far
    for k in range(_TERMS, 1, -1):
        fraction = far + k / fraction
    return tf.where(t < _FAR, hazard - near, 1 / fraction)


def inverse(z: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """The `x >= 0` with a larger one of which a variable with density as `exp(z x - x^2 / 2)` is drawn with
    probability `u` in (0, 1]."""
    near, t = tf.maximum(z, -1.0), tf.maximum(-z, 1.0)
    most = 1 - np.finfo(z.dtype.as_numpy_dtype).eps
    inner = tf.clip_by_value(u * erfc(-near / math.sqrt(2)) - 1, -most, most)
    inner = near - math.sqrt(2) * erfinv(inner)
    # Below, -log P(X > t + x | X > t) = surprise is solved: convex and increasing in x, from the root's right.
    surprise, beyond = -tf.math.log(u), excess(t)
    hazard = t + beyond
    x = 2 * surprise / (hazard + tf.sqrt(tf.square(hazard) + 2 * hazard * beyond * surprise))
    for _ in range(_STEPS):
        slope = t + x + excess(t + x)
        x -= (t * x + tf.square(x) / 2 + tf.math.log(slope / hazard) - surprise) / slope
    return tf.nn.relu(tf.where(z > -1, inner, x))


def where_reached(function: Callable[[np.ndarray], np.ndarray], target: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Where an increasing function of `(points, units)` reaches `target` `(units,)`, from the first of the points `x`,
    which increase, to the last."""
    for _ in range(12):
        place = np.clip((function(x) < target).sum(0), 1, len(x) - 1)[None]
        low, high = (np.take_along_axis(x, place - before, 0)[0] for before in (1, 0))
        x = np.linspace(low, high, 65)
    return (low + high) / 2
