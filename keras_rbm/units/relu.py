"""Rectified units: normal ones that cannot be negative."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units.continuous import Continuous
from keras_rbm.units.truncated import excess, inverse, log_mass, where_reached


@keras.saving.register_keras_serializable("keras_rbm")
class ReLU(Continuous):
    """Units on `x >= 0` with precision `gamma`: `base(x) = gamma x^2 / 2`, a normal distribution cut off at 0.

        log_partition(f) = sum log[ sqrt(2 pi / gamma) Phi(z) exp(z^2 / 2) ],   z = f / sqrt(gamma)
        mean(f) = (z + phi(z) / Phi(z)) / sqrt(gamma)

    For strongly positive fields the mean is `f / gamma`, for strongly negative ones `-1 / f`: a smooth rectifier. All
    formulas hold their digits at any field. `DBN.classifier` makes a rectifier of it, which is an approximation.

    Where the potential is written `gamma x^2 / 2 + theta x` on `x >= 0`, as for proteins, `theta` is minus the bias and
    `gamma` the precision, which `learn_precision=True` learns. `DReLU` units have negative states too.

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
        return log_mass(z) - tf.math.log(root)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        z, root = self._standard(field)
        return excess(-z) / root

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(field / self._gamma(field.dtype))

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        z, root = self._standard(field)
        return inverse(z, 1 - draws.uniform_like(field)) / root

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
        between = np.stack([-1 / target, target])  # the mean is at most -1 / z, and more than z
        return root * where_reached(lambda z: excess(tf.constant(-z)).numpy(), target, between)
