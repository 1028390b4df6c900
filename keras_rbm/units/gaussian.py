"""Real-valued units."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units.continuous import Continuous


@keras.saving.register_keras_serializable("keras_rbm")
class Gaussian(Continuous):
    """Real units with precision `gamma`: `base(x) = gamma x^2 / 2`, so `x | f ~ Normal(f / gamma, 1 / gamma)`.

        log_partition(f) = sum f^2 / (2 gamma) + log(2 pi / gamma) / 2

    The precision belongs to the units, so no coupling is divided by a deviation; the mean without input is
    `bias / gamma`. It is the exponential of a weight, so it stays positive whatever is learnt.

    Args:
        precision: a positive number, or one for each unit. `None` means 1 until `RBM.adapt` sets it from the data's
            variances (a constant column keeps 1).
        learn_precision: whether it is trained. Use a lower learning rate than for fixed ones.

    Raises:
        ValueError: if a precision is not positive and finite, or if their number is not that of the units.

    Example:

    ```python
    rbm = keras_rbm.RBM(200, visible=keras_rbm.units.Gaussian(learn_precision=True))
    ```

    Reference:
        Welling, Rosen-Zvi & Hinton, 2004, "Exponential family harmoniums", section 3; a precision learnt by its
        logarithm: Cho, Ilin & Raiko, 2011, "Improved learning of Gaussian-Bernoulli restricted Boltzmann machines".
    """

    domain = "Gaussian units need finite values"
    advice = "Remove infinite values, or fill them in as missing values."
    activation = "linear"

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        gamma = self._gamma(field.dtype)
        return tf.square(field) / (2 * gamma) + 0.5 * tf.math.log(2 * math.pi / gamma)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return field / self._gamma(field.dtype)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return self.mean(field)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        return self.mean(field) + draws.normal_like(field) * tf.math.rsqrt(self._gamma(field.dtype))

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        normal = tfp.distributions.Normal(self.mean(field), tf.math.rsqrt(self._gamma(field.dtype)))
        return tfp.distributions.Independent(normal, 1)

    def reconstruction_error(self, x: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.square(x - self.mean(field)), -1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.math.is_finite(x), -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return self.in_domain(x)

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        return np.asarray(self.precision) * mean
