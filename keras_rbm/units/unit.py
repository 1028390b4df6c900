"""The contract that every kind of stochastic unit keeps."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.random import Draws


def as_dtype(value: Any, dtype: tf.DType) -> tf.Tensor:
    """`value` as a tensor; a Python float keeps all its digits, which `tf.cast` would round to float32."""
    return tf.cast(np.asarray(value) if isinstance(value, (int, float, list)) else value, dtype)


class Unit(keras.layers.Layer):
    """A group of stochastic units, which owns its bias and answers questions about itself.

    A unit with state `x` that feels the field `f = bias + input` has weight

        exp(f * x - base(x))

    and the units of a group are independent given their fields. Fields and states have shape `(batch, units)`, sums
    over the group `(batch,)`. A new kind of unit states `base`, `log_partitions`, `mean`, `mode`, `sample`,
    `distribution`, `in_domain` and `bias_for`, and then works in every model.

    Args:
        bias_initializer, bias_regularizer, bias_constraint: as in `keras.layers.Dense`.

    Raises:
        ValueError: if the units are built twice with different widths.
    """

    #: The values that one unit can take, if they are finitely many.
    states: ClassVar[tuple[float, ...] | None] = None
    #: What `in_domain` asks for, and what to do when data breaks it: both end up in error messages.
    domain: ClassVar[str]
    advice: ClassVar[str]
    #: The Keras activation of the deterministic layer that `as_dense` makes.
    activation: ClassVar[str]

    def __init__(
        self,
        bias_initializer: Any = "zeros",
        bias_regularizer: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def build(self, input_shape: Any) -> None:
        width = int(input_shape[-1])
        if self.built:
            if width != self.width:
                raise ValueError(
                    f"Units that are shared must have one width. Received: width={width} for units built with "
                    f"width={self.width}. Give this model units of its own."
                )
            return
        self.bias = self.add_weight(
            shape=(width,),
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            name="bias",
        )

    @property
    def width(self) -> int:
        """How many units the group has."""
        return self.bias.shape[0]

    def field(self, inputs: tf.Tensor, beta: Any = 1.0, base_bias: Any = 0.0) -> tf.Tensor:
        """The field at inverse temperature `beta`: `(1 - beta) * base_bias + beta * (bias + inputs)`.

        Args:
            inputs: what the weights bring in, `(batch, units)`.
            beta: a number, or a tensor that broadcasts as `(batch, 1)`.
            base_bias: the bias at `beta = 0`, `(units,)`.
        """
        full = tf.cast(self.bias, inputs.dtype) + inputs
        if isinstance(beta, (int, float)) and beta == 1:
            return full
        beta = as_dtype(beta, inputs.dtype)
        return (1 - beta) * as_dtype(base_bias, inputs.dtype) + beta * full

    def energy(self, x: tf.Tensor) -> tf.Tensor:
        """The group's own energy, `base(x) - bias . x`, `(batch,)`."""
        return self.base(x) - tf.linalg.matvec(x, tf.cast(self.bias, x.dtype))

    def log_prob(self, x: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
        """`log p(x | field)`, `(batch,)`; for states between 0 and 1 of Bernoulli units, minus the cross-entropy."""
        return tf.reduce_sum(x * field, -1) - self.base(x) - self.log_partition(field)

    def reconstruction_error(self, x: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
        """How badly units in `field` predict `x`, `(batch,)`: cross-entropy in nats, or squared error."""
        return -self.log_prob(x, field)

    @property
    def log2_num_states(self) -> float:
        """Binary logarithm of how many joint states the group has; infinite for real-valued units."""
        return math.inf if self.states is None else self.width * math.log2(len(self.states))

    def enumerate(self, index: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """The joint states that the numbers `index` `(n,)`, int64, stand for, `(n, units)`; of units with `states`."""
        states = self.states or ()
        places = tf.constant([len(states) ** i for i in range(self.width)], tf.int64)
        return tf.gather(tf.constant(states, dtype), index[:, None] // places % len(states))

    def base(self, x: tf.Tensor) -> tf.Tensor:
        """The part of the energy that no parameter touches, summed over the group, `(batch,)`."""
        return tf.zeros(tf.shape(x)[:-1], x.dtype)

    def log_partition(self, field: tf.Tensor) -> tf.Tensor:
        """`log sum_x exp(field . x - base(x))` over the states of the group, `(batch,)`."""
        return tf.reduce_sum(self.log_partitions(field), -1)

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        """What each unit adds to `log_partition`, `(batch, units)`: differences are best taken before summing."""
        raise NotImplementedError

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        """The mean state, `(batch, units)`: the gradient of `log_partition`."""
        raise NotImplementedError

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        """The most probable state, `(batch, units)`."""
        raise NotImplementedError

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        """A state drawn for each unit of each case independently, `(batch, units)`."""
        raise NotImplementedError

    def distribution(self, field: tf.Tensor) -> Any:
        """The same distribution as a TensorFlow Probability object, event shape `(units,)`."""
        raise NotImplementedError

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        """Whether all of `x` are states these units can take (or means of such states): a boolean scalar."""
        raise NotImplementedError

    def bias_for(self, mean: np.ndarray, count: float) -> np.ndarray:
        """The bias with which units without input have the mean of `count` observed states, `(units,)`."""
        raise NotImplementedError

    def adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: float) -> None:
        """Sets the bias so that units without input have the moments of `count` observed states.

        Args:
            mean, variance: of each unit, `(units,)`.
        """
        self.bias.assign(self.bias_for(mean, count))

    def as_dense(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias of the Keras `Dense` layer, with this class's `activation`, that computes `mean`."""
        return kernel, bias

    def call(self, field: tf.Tensor) -> tf.Tensor:
        return self.mean(field)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }
