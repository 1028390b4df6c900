"""Units that count."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.random import Draws
from keras_rbm.special import lgamma
from keras_rbm.units.softplus import softplus
from keras_rbm.units.unit import Unit, as_dtype

#: Log-probability, about that of the last bit of a float32 uniform number, of states that are never drawn.
_NEVER = -17.0


@keras.saving.register_keras_serializable("keras_rbm")
class Binomial(Unit):
    """Units with states 0, 1, ..., n: `base(x) = -log C(n, x)`, so `x | f` is binomial with `p = sigmoid(f)`.

        log_partition(f) = sum n softplus(f)

    Counts out of n, or grey levels. As data, values between 0 and n are taken as means. Drawing a state takes about n
    steps of arithmetic and one random number.

    Args:
        n: number of trials, at least 1.

    Raises:
        ValueError: if `n` is no positive integer.

    Example:

    ```python
    rbm = keras_rbm.RBM(200, visible=keras_rbm.units.Binomial(n=16))  # grey levels from 0 to 16
    ```

    Reference:
        Teh & Hinton, 2001, "Rate-coded restricted Boltzmann machines for face recognition".
    """

    advice = "Round and clip the data, or raise `n`."
    activation = "sigmoid"

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive_integer(n, "n")
        self.domain = f"Binomial units need values in [0, {n}]"
        self.states = tuple(float(x) for x in range(self.n + 1))
        log_factorials = np.cumsum(np.log(np.maximum(np.arange(self.n + 1), 1)))
        self._log_choices = log_factorials[-1] - log_factorials - log_factorials[::-1]

    @property
    def kind(self) -> tuple:
        return (*super().kind, self.n)

    def base(self, x: tf.Tensor) -> tf.Tensor:
        n = as_dtype(float(self.n), x.dtype)
        log_choices = lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1)
        return -tf.reduce_sum(log_choices, -1)

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        return self.n * softplus(field)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return self.n * tf.sigmoid(field)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return tf.minimum(tf.floor((self.n + 1) * tf.sigmoid(field)), self.n)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        u, mode, log_z = draws.uniform_like(field), self.mode(field), self.log_partitions(field)
        log_choices = as_dtype(self._log_choices, field.dtype)

        def log_p(k: tf.Tensor) -> tf.Tensor:
            return log_choices[k] + tf.cast(k, field.dtype) * field - log_z

        def step(k: tf.Tensor, x: tf.Tensor, reached: tf.Tensor) -> tuple[tf.Tensor, ...]:
            reached += tf.exp(log_p(k))
            # Sums are rounded: beyond the mode, no state is reached whose probability is less than that.
            possible = (tf.cast(k, field.dtype) < mode) | (log_p(k + 1) > _NEVER)
            return k + 1, x + tf.cast((u >= reached) & possible, field.dtype), reached

        return tf.while_loop(lambda k, *_: k < self.n, step, (0, tf.zeros_like(field), tf.zeros_like(field)))[1]

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        n = as_dtype(float(self.n), field.dtype)
        return tfp.distributions.Independent(tfp.distributions.Binomial(n, logits=field), 1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((x >= 0) & (x <= self.n), -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(x == tf.round(x), -1)

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        # Half a trial more of each outcome keeps the bias of a constant column finite.
        p = (count * mean + 0.5) / (count * self.n + 1)
        return np.log(p) - np.log1p(-p)

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        share = super().as_layer(kernel, bias, f"{name}_share")
        return keras.Sequential([keras.Input((len(kernel),)), share, keras.layers.Rescaling(self.n)], name=name)

    def get_config(self) -> dict:
        return {**super().get_config(), "n": self.n}
