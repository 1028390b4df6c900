"""Persistent contrastive divergence with fast weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_rbm.samplers.pcd import PCD
from keras_rbm.samplers.sampler import Samples
from keras_rbm.units import Unit


class _Shifted(NamedTuple):
    """A machine whose parameters are shifted, for sampling only."""

    visible: Unit
    hidden: Unit
    stream: Any
    weights: tf.Tensor
    visible_shift: tf.Tensor
    hidden_shift: tf.Tensor

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return tf.matmul(v, self.weights) + self.hidden_shift

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, self.weights, transpose_b=True) + self.visible_shift


@keras.saving.register_keras_serializable("keras_rbm")
class FastPCD(PCD):
    """PCD whose chains feel fast weights beside the model's own: they learn quickly and decay, and so drive the chains
    out of modes that they have stayed in.

    The chains sample a model with the parameters `theta + fast`; after each step

        fast <- decay * fast - fast_learning_rate * gradient

    Args:
        num_steps, num_chains: as in `PCD`.
        fast_learning_rate: positive. The paper takes that with which regular learning starts.
        decay: of the fast weights at each step, in [0, 1); 19/20 in the paper.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler=keras_rbm.samplers.FastPCD(num_chains=100, fast_learning_rate=0.05))
    ```

    Reference:
        Tieleman & Hinton, 2009, "Using fast weights to improve persistent contrastive divergence", section 4.
    """

    def __init__(
        self,
        num_steps: int = 1,
        num_chains: int = 100,
        fast_learning_rate: float = 0.05,
        decay: float = 0.95,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_steps, num_chains, **kwargs)
        if not 0 < fast_learning_rate < float("inf"):
            raise ValueError(f"`fast_learning_rate` must be positive. Received: {fast_learning_rate!r}")
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` must be in [0, 1). Received: decay={decay!r}")
        self.fast_learning_rate, self.decay = float(fast_learning_rate), float(decay)

    def prepare(self, machine: Any) -> None:
        if not self.built:
            shapes = {
                "fast_weights": (machine.visible.width, machine.hidden.width),
                "fast_visible_bias": (machine.visible.width,),
                "fast_hidden_bias": (machine.hidden.width,),
            }
            self.fast = [
                self.add_weight(shape=shape, dtype=machine.state_dtype, initializer="zeros", trainable=False, name=name)
                for name, shape in shapes.items()
            ]
        super().prepare(machine)

    def reset(self, machine: Any, states: tf.Tensor | None = None) -> None:
        super().reset(machine, states)
        for variable in self.fast:
            variable.assign(tf.zeros_like(variable))

    def advance(self, machine: Any, chains: tf.Tensor) -> Samples:
        fast_weights, visible_shift, hidden_shift = (tf.convert_to_tensor(f) for f in self.fast)
        w = tf.cast(machine.w_rec, fast_weights.dtype) + fast_weights
        shifted = _Shifted(machine.visible, machine.hidden, machine.stream, w, visible_shift, hidden_shift)
        return super().advance(shifted, chains)

    def update(self, samples: Samples, gradients: list[tf.Tensor]) -> None:
        super().update(samples, gradients)
        for variable, gradient in zip(self.fast, gradients, strict=True):
            variable.assign(self.decay * variable - self.fast_learning_rate * tf.cast(gradient, variable.dtype))

    def get_config(self) -> dict:
        return {**super().get_config(), "fast_learning_rate": self.fast_learning_rate, "decay": self.decay}
