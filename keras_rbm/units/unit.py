"""The contract that every kind of stochastic unit keeps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.arguments import clone
from keras_rbm.random import Draws
from keras_rbm.types import Beta, Bias, Constraint, Initializer, Regularizer

#: What to do when data have NaN where it is not allowed.
_OF_MISSING = "Fill in or remove missing values."


def as_dtype(value: Any, dtype: tf.DType) -> tf.Tensor:
    """`value` as a tensor; a Python float keeps all its digits, which `tf.cast` would round to float32."""
    return tf.cast(np.asarray(value) if isinstance(value, (int, float, list)) else value, dtype)


def in_words(kind: tuple) -> str:
    """A `Unit.kind`, for messages."""
    name, *details = kind
    return f"{name}({', '.join(in_words(x) if isinstance(x, tuple) else str(x) for x in details)})" if details else name


class Unit(keras.layers.Layer, ABC):
    """A group of stochastic units, which owns its bias and answers questions about itself.

    A unit with state `x` that feels the field `f = bias + input` has weight

        exp(f * x - base(x))

    and the units of a group are independent given their fields. Fields and states have shape `(batch, units)`, sums
    over the group `(batch,)`. A new kind of unit states what is abstract here, its texts `domain` and `advice`,
    and `base`, `states`, `kind` and `activation` (or `as_layer`) where they differ; then it works in every model.

    A group that is built with positions, `(batch, height, width, channels)`, has the units of a picture in rows, the
    channels of a position side by side, and one bias (and precision) a channel.

    Args:
        bias_initializer, bias_regularizer, bias_constraint: as in `keras.layers.Dense`.

    Raises:
        ValueError: if the units are built twice with different widths.
    """

    #: The values that each unit can take by itself, if they are finitely many.
    states: tuple[float, ...] | None = None
    #: Whether states are bounded, so that any field and any weights leave a partition function.
    bounded: bool = True
    #: What `in_domain` asks for, and what to do when data breaks it: both end up in error messages.
    domain: str
    advice: str
    #: The Keras activation of the deterministic layer that `as_layer` makes.
    activation: ClassVar[str]

    def __init__(
        self,
        bias_initializer: Initializer = "zeros",
        bias_regularizer: Regularizer = None,
        bias_constraint: Constraint = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def build(self, input_shape: Any) -> None:
        shape = tuple(int(n) for n in input_shape[1:])
        width = math.prod(shape)
        if self.built:
            if width != self.width:
                raise ValueError(
                    f"Units that are shared must have one width. Received: width={width} for units built with "
                    f"width={self.width}. Give this model units of its own."
                )
            return
        self.shape = shape
        self.prepare(width)
        self.bias = self.add_weight(
            shape=shape[-1:],
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            name="bias",
        )

    def prepare(self, width: int) -> None:
        """Takes the width and creates what parameters there are beside the bias: all that `Mixed` needs of its parts.

        Raises:
            ValueError: if so many units are no group of this kind.
        """
        self._width = width

    @property
    def width(self) -> int:
        """How many units the group has."""
        return self._width

    #: Of a group with positions, these and its channels.
    shape: tuple[int, ...] = ()

    @property
    def num_positions(self) -> int:
        """How many units share a bias."""
        return math.prod(self.shape[:-1])

    @property
    def biases(self) -> Any:
        """The bias of each unit, `(units,)`."""
        return self.everywhere(self.bias)

    def everywhere(self, x: Any) -> Any:
        """What each channel has, `(channels,)`, at every position, `(units,)`."""
        return x if self.num_positions == 1 else tf.tile(x, [self.num_positions])

    def over_positions(self, x: Any) -> Any:
        """The mean of each channel, `(channels,)`, of what units have, `(units,)`."""
        return x if self.num_positions == 1 else tf.reduce_mean(tf.reshape(x, (self.num_positions, -1)), 0)

    @property
    def num_sites(self) -> int:
        """How many parts of the group are independent of each other given their fields."""
        return self.width

    def per_unit(self, x: tf.Tensor) -> tf.Tensor:
        """What each site has, `(batch, sites)`, as what each of its units has, `(batch, units)`."""
        return x

    # --- what a layer above sees of the group: the units themselves, or the pools that they are in

    def pooled_kind(self) -> Unit:
        """Units of the kind that is seen, a copy without weights."""
        return clone(self)

    def pooled(self, x: tf.Tensor) -> tf.Tensor:
        """What is seen, `(batch, seen)`, which the units' states, `(batch, units)`, fix."""
        return x

    def pooled_mean(self, field: tf.Tensor) -> tf.Tensor:
        """Its means, given the units' fields, `(batch, seen)`."""
        return self.mean(field)

    def spread(self, pools: tf.Tensor) -> tf.Tensor:
        """Means of the units, `(batch, units)`, given means of what is seen."""
        return pools

    def placed(self, pools: tf.Tensor, draws: Draws) -> tf.Tensor:
        """States of the units, `(batch, units)`, drawn given those that are seen."""
        return pools

    def log_prob_of_places(self, pools: tf.Tensor) -> tf.Tensor:
        """Log-probability with which `placed` draws any one state that they allow, `(batch,)`."""
        return tf.zeros(tf.shape(pools)[:1], pools.dtype)

    @property
    def other_parameters(self) -> list[keras.Variable]:
        """What is trained beside the bias."""
        return [variable for variable in self.trainable_variables if variable is not self.bias]

    @property
    def is_binary(self) -> bool:
        """Whether each unit has two states."""
        return self.states is not None and len(self.states) == 2

    def tail_precisions(self) -> tuple[np.ndarray, np.ndarray]:
        """What a partition function needs to converge: of each unit the precision, infinite where states are bounded,
        and whether states are not negative; `(units,)` both."""
        return np.full(self.width, math.inf), np.zeros(self.width, bool)

    @property
    def has_bias_options(self) -> bool:
        """Whether anything was said about the bias."""
        plain = isinstance(self.bias_initializer, keras.initializers.Zeros)
        return not plain or self.bias_regularizer is not None or self.bias_constraint is not None

    @property
    def kind(self) -> tuple:
        """What must be equal for two groups to have the same states."""
        return (type(self).__name__,)

    def field(self, inputs: tf.Tensor, beta: Beta = 1.0, base_bias: Bias = 0.0, bias: Bias | None = None) -> tf.Tensor:
        """The field at inverse temperature `beta`: `(1 - beta) * base_bias + beta * (bias + inputs)`.

        Args:
            inputs: what the weights bring in, `(batch, units)`.
            beta: a number, or a tensor that broadcasts as `(batch, 1)`.
            base_bias: the bias at `beta = 0`, `(units,)`.
            bias: instead of the group's own, `(units,)` or `(batch, units)`.
        """
        full = tf.cast(self.biases if bias is None else bias, inputs.dtype) + inputs
        if isinstance(beta, (int, float)) and beta == 1:
            return full
        beta = as_dtype(beta, inputs.dtype)
        return (1 - beta) * as_dtype(base_bias, inputs.dtype) + beta * full

    def energy(self, x: tf.Tensor, bias: Bias | None = None) -> tf.Tensor:
        """The group's own energy, `base(x) - bias . x`, `(batch,)`; `bias` as in `field`."""
        return self.base(x) - tf.reduce_sum(x * tf.cast(self.biases if bias is None else bias, x.dtype), -1)

    def log_prob(self, x: tf.Tensor, field: tf.Tensor, sites: tf.Tensor | None = None) -> tf.Tensor:
        """`log p(x | field)`, `(batch,)`; for states between 0 and 1 of Bernoulli units, minus the cross-entropy.

        Args:
            sites: 1 of those that count, 0 of others, `(batch, sites)`; all do by default.
        """
        log_partitions = self.log_partitions(field)
        if sites is not None:
            x, log_partitions = x * self.per_unit(sites), log_partitions * sites
        return tf.reduce_sum(x * field, -1) - self.base(x) - tf.reduce_sum(log_partitions, -1)

    def reconstruction_error(self, x: tf.Tensor, field: tf.Tensor) -> tf.Tensor:
        """How badly units in `field` predict `x`, `(batch,)`: minus `log_prob`, nats, or squared error."""
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

    @abstractmethod
    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        """What each site adds to `log_partition`, `(batch, sites)`: differences are best taken before summing."""

    @abstractmethod
    def mean(self, field: tf.Tensor) -> tf.Tensor:
        """The mean state, `(batch, units)`: the gradient of `log_partition`."""

    @abstractmethod
    def mode(self, field: tf.Tensor) -> tf.Tensor:
        """The most probable state, `(batch, units)`."""

    @abstractmethod
    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        """A state drawn for each unit of each case independently, `(batch, units)`."""

    @abstractmethod
    def distribution(self, field: tf.Tensor) -> Any:
        """The same distribution as a TensorFlow Probability object, event shape `(units,)`."""

    @abstractmethod
    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        """Whether each row of `x` `(batch, units)` can be data of these units: states, or means of such; `(batch,)`."""

    @abstractmethod
    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        """Whether each row of `x` `(batch, units)`, which is in the domain, has states only, not means; `(batch,)`."""

    def respects_groups(self, mask: tf.Tensor) -> tf.Tensor:
        """Whether each row of a mask `(batch, units)` keeps together what belongs together; `(batch,)`."""
        return tf.ones(tf.shape(mask)[:-1], tf.bool)

    def fill(self, x: tf.Tensor) -> tf.Tensor:
        """`x` `(batch, units)` with some state where units are missing, NaN, together with all that belong to them."""
        return tf.where(tf.math.is_nan(x), self.mode(tf.zeros_like(x)), x)

    def domain_error(self, x: np.ndarray) -> ValueError:
        """What is wrong with rows `x` `(rows, units)` that are not in the domain."""
        advice = _OF_MISSING if np.isnan(x).any() else self.advice
        return ValueError(f"{self.domain}. Received: {self.received(x)}. {advice}")

    def received(self, x: np.ndarray) -> str:
        """Rows that are not in the domain, in words."""
        known = x[~np.isnan(x)]
        extremes = [f"min={known.min():g}, max={known.max():g}"] if known.size else []
        return ", and ".join(extremes + ["NaN"] * (known.size < x.size))

    @abstractmethod
    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        """The bias with which units without input have the mean of `count` observed states, `(units,)`."""

    def adapt_to_moments(self, mean: np.ndarray, variance: np.ndarray, count: float | np.ndarray) -> None:
        """Sets the bias so that units without input have the moments of `count` observed states.

        Args:
            mean, variance: of each unit, `(units,)`.
            count: a number, or one for each unit.
        """
        channels = self.width // self.num_positions
        if self.num_positions > 1:  # those of a channel are as many states of one unit
            parts = [np.broadcast_to(x, self.width).reshape(-1, channels) for x in (mean, variance, count)]
            total = parts[2].sum(0)
            center = (parts[2] * parts[0]).sum(0) / total
            spread = (parts[2] * (parts[1] + (parts[0] - center) ** 2)).sum(0) / total
            mean, variance, count = (np.tile(x, self.num_positions) for x in (center, spread, total))
        self.adapt_scale(mean, variance)
        self.bias.assign(self.bias_for(mean, count)[:channels])

    def adapt_scale(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Sets what there is beside the bias from the moments of data, `(units,)`."""

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        """A plain Keras layer that computes `mean` of the field `bias + x . kernel`."""
        layer = keras.layers.Dense(self.width, self.activation, name=name)
        layer.build((None, len(kernel)))
        layer.set_weights([kernel, bias])
        return layer

    def call(self, field: tf.Tensor) -> tf.Tensor:
        return self.mean(field)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }
