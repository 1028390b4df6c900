"""The weights between layers: how they start, what they are bounded by, and whether their gradients are centred."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.random import RandomStream, spawned_seed
from keras_rbm.training.learner import Learner
from keras_rbm.types import Constraint, Initializer, Regularizer


class Coupled(Learner):
    """A learner with weights between layers of units.

    Args:
        centered: whether to follow the centred gradient, which the data's and hidden units' means do not disturb.
        offset_rate: how fast those means move to the batch's, in (0, 1]; 1 takes each batch's own. The first steps
            average all batches so far.
        kernel_initializer: `None` is a normal distribution of deviation 0.01; drawn with `seed` unless it has its own.
        kernel_regularizer, kernel_constraint: as in `keras.layers.Dense`.
        activity_regularizer: penalty on the batch mean of hidden units' means, `(1, units)`: see
            `keras_rbm.regularizers.Sparsity`.
        seed: of the initial weights, and of all sampling.

    Raises:
        ValueError: if `offset_rate` is out of range.
    """

    def __init__(
        self,
        *,
        centered: bool = True,
        offset_rate: float = 0.01,
        kernel_initializer: Initializer = None,
        kernel_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if not 0 < offset_rate <= 1:
            raise ValueError(f"`offset_rate` must be in (0, 1]. Received: offset_rate={offset_rate!r}")
        self.centered, self.offset_rate = centered, float(offset_rate)
        self.stream = RandomStream(seed, name="stream")
        if kernel_initializer is None:
            kernel_initializer = keras.initializers.RandomNormal(stddev=0.01)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)

    def _add_kernel(self, shape: tuple[int, ...], name: str, initializer: Any = None) -> keras.Variable:
        """Weights between two layers."""
        return self.add_weight(
            shape=shape,
            initializer=self._seeded(name) if initializer is None else initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name=name,
        )

    def _seeded(self, name: str) -> Any:
        """The kernel's initializer, with a seed for the kernel of that name if it has none."""
        initializer = self.kernel_initializer
        config = initializer.get_config() if isinstance(initializer, keras.initializers.Initializer) else {}
        if config.get("seed", 0) is not None:  # has one, or needs none
            return initializer
        return type(initializer).from_config({**config, "seed": spawned_seed(self.seed, name)})

    def _add_offset(self, shape: tuple[int, ...], name: str) -> keras.Variable:
        """A mean of what batches had."""
        return self.add_weight(shape=shape, dtype=self.state_dtype, initializer="zeros", trainable=False, name=name)

    def _product(self, x: tf.Tensor, kernel: Any, transpose: bool = False) -> tf.Tensor:
        """`x . kernel` in the policy's compute dtype; the result has the dtype of states."""
        dtype = self.compute_dtype
        return tf.cast(tf.matmul(tf.cast(x, dtype), tf.cast(kernel, dtype), transpose_b=transpose), x.dtype)

    def _coupling_options(self) -> dict[str, Any]:
        """The arguments that say how layers are coupled, but for the initializer."""
        return {
            "centered": self.centered,
            "offset_rate": self.offset_rate,
            "activity_regularizer": self.activity_regularizer,
            "kernel_regularizer": self.kernel_regularizer,
            "kernel_constraint": self.kernel_constraint,
        }

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "centered": self.centered,
            "offset_rate": self.offset_rate,
            "activity_regularizer": keras.regularizers.serialize(self.activity_regularizer),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "seed": self.seed,
        }


#: What `Coupled` takes, but for its seed.
COUPLING_OPTIONS = (
    "centered",
    "offset_rate",
    "activity_regularizer",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_constraint",
)
