"""Groups of units of which exactly one is on."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.random import Draws
from keras_rbm.units.unit import Unit

#: How far the sum of a group of probabilities may be from 1, by rounding.
_TOLERANCE = 1e-3


@keras.saving.register_keras_serializable("keras_rbm")
class Softmax(Unit):
    """Sites with several states each, one-hot: the units of a site are side by side, and one of them is 1.

        p(x_k = 1 | f) = exp(f_k) / sum_l exp(f_l),   log_partition(f) = sum_sites logsumexp_k f_k

    Categories, Potts models, class labels. A group of `width` units has `width / num_states` sites. As data,
    probabilities that sum to 1 over each site are taken as such.

    Args:
        num_states: states of a site, at least 2.

    Raises:
        ValueError: if `num_states` is smaller, or does not divide the number of units.

    Example:

    ```python
    rbm = keras_rbm.RBM(50, visible=keras_rbm.units.Softmax(num_states=4))
    rbm.fit(keras.utils.to_categorical(categories, 4).reshape(len(categories), -1))  # categories (cases, sites)
    ```

    Reference:
        Salakhutdinov, Mnih & Hinton, 2007, "Restricted Boltzmann machines for collaborative filtering", equation 1.
    """

    advice = "One-hot encode categories: keras.utils.to_categorical(x, num_states)."

    def __init__(self, num_states: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_states = positive_integer(num_states, "num_states")
        if num_states < 2:
            raise ValueError(f"`num_states` must be at least 2. Received: num_states={num_states}")
        self.domain = f"Softmax units need values in [0, 1] that sum to 1 over each {num_states} columns"

    @property
    def kind(self) -> tuple:
        return (*super().kind, self.num_states)

    def prepare(self, width: int) -> None:
        if width % self.num_states:
            raise ValueError(
                f"Softmax units come in groups of num_states={self.num_states}. Received: {width} units, which is no "
                "multiple of that."
            )
        super().prepare(width)

    @property
    def num_sites(self) -> int:
        return self.width // self.num_states

    def per_unit(self, x: tf.Tensor) -> tf.Tensor:
        return tf.repeat(x, self.num_states, -1)

    def _sites(self, x: tf.Tensor) -> tf.Tensor:
        """`(batch, units)` as `(batch, sites, num_states)`."""
        return tf.reshape(x, tf.concat([tf.shape(x)[:-1], [self.width // self.num_states, self.num_states]], 0))

    def _flat(self, sites: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.reshape(sites, tf.shape(like)), like.shape)

    def _choices(self, field: tf.Tensor) -> tf.Tensor:
        """The fields of all that a site can be, `(batch, sites, choices)`."""
        return self._sites(field)

    def _chosen(self, choices: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """The units of sites that are these choices, `(batch, units)`."""
        return self._flat(choices, like)

    @property
    def log2_num_states(self) -> float:
        return self.width / self.num_states * math.log2(self.num_states)

    def enumerate(self, index: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        places = tf.constant([self.num_states**i for i in range(self.width // self.num_states)], tf.int64)
        states = tf.one_hot(index[:, None] // places % self.num_states, self.num_states, dtype=dtype)
        return tf.reshape(states, (-1, self.width))

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        return tf.reduce_logsumexp(self._choices(field), -1)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return self._chosen(tf.nn.softmax(self._choices(field)), field)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        choices = self._choices(field)
        return self._chosen(tf.one_hot(tf.argmax(choices, -1), choices.shape[-1], dtype=field.dtype), field)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        reached = tf.cumsum(tf.nn.softmax(self._choices(field)), -1)
        total = reached[..., -1:]  # 1 but for rounding, which would draw impossible states
        u = total * draws.uniform_like(total)
        beyond = tf.cast(u >= reached[..., :-1], field.dtype)  # 1 for each state that u has left behind
        start, stop = tf.ones_like(u), tf.zeros_like(u)
        return self._chosen(tf.concat([start, beyond], -1) - tf.concat([beyond, stop], -1), field)

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        sites = tfp.distributions.OneHotCategorical(logits=self._sites(field), dtype=field.dtype)
        flat = tfp.bijectors.Reshape([self.width], [self.width // self.num_states, self.num_states])
        return flat(tfp.distributions.Independent(sites, 1))

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        sums = tf.reduce_sum(self._sites(x), -1)
        return tf.reduce_all((x >= 0) & (x <= 1), -1) & tf.reduce_all(tf.abs(sums - 1) <= _TOLERANCE, -1)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all((x == 0) | (x == 1), -1)

    def respects_groups(self, mask: tf.Tensor) -> tf.Tensor:
        held, free = (tf.reduce_any(self._sites(x), -1) for x in (mask, ~mask))
        return ~tf.reduce_any(held & free, -1)

    def fill(self, x: tf.Tensor) -> tf.Tensor:
        missing = tf.reduce_all(tf.math.is_nan(self._sites(x)), -1, keepdims=True)
        return self._flat(tf.where(missing, self._sites(self.mode(tf.zeros_like(x))), self._sites(x)), x)

    def received(self, x: np.ndarray) -> str:
        if not ((x >= 0) & (x <= 1)).all():
            return super().received(x)
        sums = x.reshape(-1, self.num_states).sum(1)
        return f"a group that sums to {sums[np.argmax(np.abs(sums - 1))]:g}"

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        # Half a case more of each state keeps the bias of a state never seen finite; a site's biases sum to 0.
        log_p = np.log((count * mean + 0.5) / (count + 0.5 * self.num_states)).reshape(-1, self.num_states)
        return (log_p - log_p.mean(1, keepdims=True)).reshape(mean.shape)

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        dense = keras.layers.Dense(self.width, name=f"{name}_fields")
        sites = keras.layers.Reshape((-1, self.num_states))
        layer = keras.Sequential(
            [keras.Input((len(kernel),)), dense, sites, keras.layers.Softmax(), keras.layers.Flatten()], name=name
        )
        dense.set_weights([kernel, bias])
        return layer

    def get_config(self) -> dict:
        return {**super().get_config(), "num_states": self.num_states}
