"""Units of several kinds side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import arguments
from keras_rbm.random import Draws
from keras_rbm.units.unit import Unit


@keras.saving.register_keras_serializable("keras_rbm")
class Mixed(Unit):
    """Groups of units of several kinds, side by side: binary columns next to categorical and real ones.

    The group owns one bias for all units; its parts answer for their columns.

    Args:
        parts: pairs of a kind (a name, a config or a `Unit`) and a number of columns, from left to right. One number
            may be `None`: what the others leave. Options of biases are given to the whole group, not to its parts.

    Raises:
        ValueError: if `parts` is no such list, or as many columns as it asks for are not there.

    Example:

    ```python
    table = keras_rbm.units.Mixed([("bernoulli", 2), (keras_rbm.units.Softmax(4), 4), ("gaussian", None)])
    rbm = keras_rbm.RBM(16, visible=table)
    ```

    Reference:
        Tran, Phung & Venkatesh, 2011, "Mixed-variate restricted Boltzmann machines".
    """

    def __init__(self, parts: Sequence[tuple[Any, int | None]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        from keras_rbm.units import get  # the registry knows this kind too

        pairs = isinstance(parts, Sequence) and all(isinstance(p, Sequence) and len(p) == 2 for p in parts)
        if not pairs or not parts or isinstance(parts, str):
            raise ValueError(
                "`parts` must be pairs of a kind and a number of columns, such as [('bernoulli', 2), ('gaussian', 3)]. "
                f"Received: parts={parts!r}"
            )
        self.parts = [get(kind, dtype=self.dtype_policy) for kind, _ in parts]
        self.bounded = all(part.bounded for part in self.parts)
        self.widths = [None if n is None else arguments.positive_integer(n, "columns") for _, n in parts]
        if any(part.has_bias_options for part in self.parts):
            raise ValueError("Units side by side have one bias. Give bias_* options to Mixed, not to its parts.")
        if self.widths.count(None) > 1:
            raise ValueError(f"Only one part may take the columns that are left. Received: widths={self.widths}")

    def prepare(self, width: int) -> None:
        taken = sum(n or 0 for n in self.widths)
        rest = width - taken
        if (None not in self.widths and rest) or rest < self.widths.count(None):
            left = "" if None not in self.widths else ", which leaves none for the part without a number"
            raise ValueError(
                f"The parts have {taken} columns in all, widths={self.widths}. Received: {width} columns{left}."
            )
        self.sizes = [rest if n is None else n for n in self.widths]
        for part, size in zip(self.parts, self.sizes, strict=True):
            part.prepare(size)
            part.built = True
        super().prepare(width)

    def columns(self, x: Any) -> list[Any]:
        """The columns of `x`, along the last axis, that belong to each part."""
        if isinstance(x, np.ndarray):
            return np.split(x, np.cumsum(self.sizes)[:-1], -1)
        return tf.split(x, self.sizes, -1)

    def _each(self, ask: Callable[..., Any], *arrays: Any) -> list[Any]:
        """What each part answers about its columns."""
        return [ask(part, *own) for part, *own in zip(self.parts, *map(self.columns, arrays), strict=True)]

    @property
    def num_sites(self) -> int:
        return sum(part.num_sites for part in self.parts)

    def per_unit(self, x: tf.Tensor) -> tf.Tensor:
        sites = tf.split(x, [part.num_sites for part in self.parts], -1)
        return tf.concat([part.per_unit(own) for part, own in zip(self.parts, sites, strict=True)], -1)

    def tail_precisions(self) -> tuple[np.ndarray, np.ndarray]:
        precisions, positive = zip(*(part.tail_precisions() for part in self.parts), strict=True)
        return np.concatenate(precisions), np.concatenate(positive)

    @property
    def kind(self) -> tuple:
        return (*super().kind, *((*part.kind, size) for part, size in zip(self.parts, self.sizes, strict=True)))

    @property
    def log2_num_states(self) -> float:
        return sum(part.log2_num_states for part in self.parts)

    def enumerate(self, index: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        states = []
        for part in self.parts:
            number = round(2**part.log2_num_states)
            states.append(part.enumerate(index % number, dtype))
            index = index // number
        return tf.concat(states, -1)

    def base(self, x: tf.Tensor) -> tf.Tensor:
        return tf.add_n(self._each(lambda part, x: part.base(x), x))

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        return tf.concat(self._each(lambda part, field: part.log_partitions(field), field), -1)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        return tf.concat(self._each(lambda part, field: part.mean(field), field), -1)

    def mode(self, field: tf.Tensor) -> tf.Tensor:
        return tf.concat(self._each(lambda part, field: part.mode(field), field), -1)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        sources = iter(draws.split(len(self.parts)))
        return tf.concat(self._each(lambda part, field: part.sample(field, next(sources)), field), -1)

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        return tfp.distributions.Blockwise(self._each(lambda part, field: part.distribution(field), field))

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(self._each(lambda part, x: part.in_domain(x), x), 0)

    def are_states(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(self._each(lambda part, x: part.are_states(x), x), 0)

    def respects_groups(self, mask: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(self._each(lambda part, mask: part.respects_groups(mask), mask), 0)

    def fill(self, x: tf.Tensor) -> tf.Tensor:
        return tf.concat(self._each(lambda part, x: part.fill(x), x), -1)

    def domain_error(self, x: np.ndarray) -> ValueError:
        stop = 0
        for part, own in zip(self.parts, self.columns(x), strict=True):
            start, stop = stop, stop + part.width
            bad = ~np.asarray(part.in_domain(tf.convert_to_tensor(own)))
            if bad.any():
                return ValueError(f"Columns {start} to {stop - 1}: {part.domain_error(own[bad])}")
        return ValueError("Units of several kinds received rows that are in no part's domain.")

    def bias_for(self, mean: np.ndarray, count: float | np.ndarray) -> np.ndarray:
        counts = np.broadcast_to(count, mean.shape)
        return np.concatenate(self._each(lambda part, mean, count: part.bias_for(mean, count), mean, counts), -1)

    def adapt_scale(self, mean: np.ndarray, variance: np.ndarray) -> None:
        self._each(lambda part, mean, variance: part.adapt_scale(mean, variance), mean, variance)

    def adapt_part(self, index: int, mean: np.ndarray, variance: np.ndarray, count: float | np.ndarray) -> None:
        """`adapt_to_moments` for the columns of one part, `(columns,)`."""
        part, biases = self.parts[index], self.columns(np.array(self.bias))
        part.adapt_scale(mean, variance)
        biases[index] = part.bias_for(mean, count)
        self.bias.assign(np.concatenate(biases))

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        inputs = keras.Input((len(kernel),))
        names = iter(f"{name}_{i + 1}" for i in range(len(self.parts)))
        layers = self._each(lambda part, kernel, bias: part.as_layer(kernel, bias, next(names)), kernel, bias)
        outputs = [layer(inputs) for layer in layers]
        return keras.Model(inputs, keras.layers.Concatenate()(outputs) if len(outputs) > 1 else outputs, name=name)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        parts = [(serialize(part), width) for part, width in zip(self.parts, self.widths, strict=True)]
        return {**super().get_config(), "parts": parts}
