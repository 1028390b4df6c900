"""Units that are -1 or 1."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units.softplus import softplus
from keras_rbm.units.unit import Unit


@keras.saving.register_keras_serializable("keras_rbm")
class Spin(Unit):
    """Units with states -1 and 1: `p(x = 1 | f) = sigmoid(2 f)`, `log_partition(f) = sum log(2 cosh f)`.

    Data must be states: values between -1 and 1 are refused, because 0 and 1 would pass for spins.

    Example:

    ```python
    rbm = keras_rbm.RBM(50, visible="spin", hidden="spin")
    rbm.fit(2 * x - 1)  # x of zeros and ones
    ```

    Reference:
        Amit, Gutfreund & Sompolinsky, 1985, "Spin-glass models of neural networks".
    """

    states = (-1.0, 1.0)
    domain = "Spin units need values -1 or 1"
    advice = "Turn 0 and 1 into spins by 2 * x - 1, or use visible='bernoulli'."
    activation = "tanh"

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        return softplus(2 * field) - field

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return tf.tanh(field)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return tf.where(field > 0, tf.ones_like(field), -tf.ones_like(field))

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        return 2 * tf.cast(draws.uniform_like(field) < tf.sigmoid(2 * field), field.dtype) - 1

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        zero_or_one = tfp.distributions.Bernoulli(logits=2 * field, dtype=field.dtype)
        shift = tfp.bijectors.Shift(tf.constant(-1, field.dtype))
        spins = shift(tfp.bijectors.Scale(tf.constant(2, field.dtype))(zero_or_one))
        return tfp.distributions.Independent(spins, 1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((x == -1) | (x == 1), -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return self.in_domain(x)

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        # Half a case more of each state keeps the bias of a constant column finite.
        p = (count * (1 + mean) / 2 + 0.5) / (count + 1)
        return (np.log(p) - np.log1p(-p)) / 2
