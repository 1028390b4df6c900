"""Rectified units: normal ones that cannot be negative."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.special import erfc, erfinv
from keras_rbm.units.continuous import Continuous

#: Where the ratio of density to tail probability gives way to its continued fraction, and the terms of that.
_FAR, _TERMS = 5.0, 20
#: Steps of Newton's method in drawing a state, from a start that is right to the second order.
_STEPS = 3


def _excess(t: tf.Tensor) -> tf.Tensor:
    """`E[X - t | X > t]` of a standard normal variable `X`: without cancellation at any `t`."""
    near, far = tf.minimum(t, _FAR), tf.maximum(t, _FAR)
    hazard = math.sqrt(2 / math.pi) * tf.exp(-tf.square(near) / 2) / erfc(near / math.sqrt(2))
    fraction = far
    for k in range(_TERMS, 1, -1):
        fraction = far + k / fraction
    return tf.where(t < _FAR, hazard - near, 1 / fraction)


@keras.saving.register_keras_serializable("keras_rbm")
class ReLU(Continuous):
    """Units on `x >= 0` with precision `gamma`: `base(x) = gamma x^2 / 2`, a normal distribution cut off at 0.

        log_partition(f) = sum log[ sqrt(2 pi / gamma) Phi(z) exp(z^2 / 2) ],   z = f / sqrt(gamma)
        mean(f) = (z + phi(z) / Phi(z)) / sqrt(gamma)

    For strongly positive fields the mean is `f / gamma`, for strongly negative ones `-1 / f`: a smooth rectifier. All
    formulas hold their digits at any field. `DBN.classifier` makes a rectifier of it, which is an approximation.

    Args:
        precision, learn_precision: as in `Gaussian`.

    Raises:
        ValueError: if a precision is not positive and finite, or if their number is not that of the units.

    Example:

    ```python
    rbm = keras_rbm.RBM(200, visible=keras_rbm.units.ReLU(), hidden="bernoulli")  # data that are not negative
    ```

    Reference:
        Su, Liao, Chen & Carin, 2016, "Nonlinear statistical learning with truncated Gaussian graphical models"; the
        tail's continued fraction: Laplace's, in Abramowitz & Stegun, 1964, 26.2.14.
    """

    positive = True
    domain = "ReLU units need finite values of at least 0"
    advice = "Shift or clip the data, or use visible='gaussian'."
    activation = "relu"

    def _standard(self, field: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The field in units of deviation, and the root of the precision."""
        root = tf.sqrt(self._gamma(field.dtype))
        return field / root, root

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        z, root = self._standard(field)
        near, far = tf.maximum(z, -_FAR), tf.maximum(-z, _FAR)
        inner = tf.square(near) / 2 + tf.math.log(math.sqrt(math.pi / 2) * erfc(-near / math.sqrt(2)))
        outer = -tf.math.log(far + _excess(far))  # Mills's ratio
        return tf.where(z > -_FAR, inner, outer) - tf.math.log(root)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        z, root = self._standard(field)
        return _excess(-z) / root

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(field / self._gamma(field.dtype))

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        z, root = self._standard(field)
        near, t = tf.maximum(z, -1.0), tf.maximum(-z, 1.0)
        u = 1 - draws.uniform_like(field)  # in (0, 1], the probability of a larger state
        most = 1 - np.finfo(field.dtype.as_numpy_dtype).eps
        inner = tf.clip_by_value(u * erfc(-near / math.sqrt(2)) - 1, -most, most)
        inner = near - math.sqrt(2) * erfinv(inner)
        # Below, -log P(X > t + x | X > t) = surprise is solved: convex and increasing in x, from the root's right.
        surprise, excess = -tf.math.log(u), _excess(t)
        hazard = t + excess
        x = 2 * surprise / (hazard + tf.sqrt(tf.square(hazard) + 2 * hazard * excess * surprise))
        for _ in range(_STEPS):
            slope = t + x + _excess(t + x)
            x -= (t * x + tf.square(x) / 2 + tf.math.log(slope / hazard) - surprise) / slope
        return tf.nn.relu(tf.where(z > -1, inner, x)) / root

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        z, root = self._standard(field)
        high = (tf.abs(z) + 1e4) / root  # as good as infinity, from which moments are NaN
        normal = tfp.distributions.TruncatedNormal(z / root, 1 / root, tf.zeros_like(high), high)
        return tfp.distributions.Independent(normal, 1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((x >= 0) & tf.math.is_finite(x), -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return self.in_domain(x)

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        root = np.sqrt(np.asarray(self.precision, "float64"))
        # Half a case more of the mean at field 0 keeps the bias of a column of zeros finite.
        target = (count * mean * root + 0.5 * math.sqrt(2 / math.pi)) / (count + 0.5)
        low, high = -1 / target, target  # the mean is at most -1 / z, and more than z
        for _ in range(100):
            middle = (low + high) / 2
            above = _excess(tf.constant(-middle)).numpy() > target
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2 * root
