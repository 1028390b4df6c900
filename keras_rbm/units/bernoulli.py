"""Units that are 0 or 1."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units.softplus import softplus
from keras_rbm.units.unit import Unit


@keras.saving.register_keras_serializable("keras_rbm")
class Bernoulli(Unit):
    """Units with states 0 and 1: `p(x = 1 | f) = sigmoid(f)`, `log_partition(f) = sum softplus(f)`.

    As data, values between 0 and 1 are taken as the probabilities of a 1.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, visible="bernoulli", hidden=keras_rbm.units.Bernoulli())
    ```

    Reference:
        Smolensky, 1986, "Information processing in dynamical systems: foundations of harmony theory".
    """

    states = (0.0, 1.0)
    domain = "Bernoulli units need values in [0, 1]"
    advice = "Divide pixels by 255, or use visible=Gaussian()."
    activation = "sigmoid"

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        return softplus(field)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(field)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return tf.cast(field > 0, field.dtype)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        return tf.cast(draws.uniform_like(field) < tf.sigmoid(field), field.dtype)

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        return tfp.distributions.Independent(tfp.distributions.Bernoulli(logits=field, dtype=field.dtype), 1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((x >= 0) & (x <= 1), -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((x == 0) | (x == 1), -1)

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        # Half a case more of each state keeps the bias of a constant column finite.
        p = (count * mean + 0.5) / (count + 1)
        return np.log(p) - np.log1p(-p)
