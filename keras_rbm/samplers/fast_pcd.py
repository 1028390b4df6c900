"""Persistent contrastive divergence with fast weights."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM, assigned
from keras_rbm.random import RandomStream
from keras_rbm.samplers.pcd import PCD
from keras_rbm.samplers.sampler import Samples
from keras_rbm.units import Unit


class ShiftedRBM(AbstractRBM):
    """An RBM with fast weights beside its own.

    Args:
        rbm: whose units and parameters these are.
        shifts: what is added to its weights, its visible and its hidden bias.
    """

    visible: Unit = assigned()
    hidden: Unit = assigned()
    stream: RandomStream = assigned()
    state_dtype: str = assigned()
    w_rec: tf.Tensor = assigned()

    def __init__(self, rbm: AbstractRBM, shifts: list[tf.Tensor]) -> None:
        self._rbm, self.visible, self.hidden = rbm, rbm.visible, rbm.hidden
        self.stream, self.state_dtype = rbm.stream, rbm.state_dtype
        weights, visible_shift, hidden_shift = shifts
        self._visible_shift, self._hidden_shift = (
            rbm.visible.everywhere(visible_shift),
            rbm.hidden.everywhere(hidden_shift),
        )
        self.w_rec = tf.cast(rbm.w_rec, weights.dtype) + weights

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return self._rbm._up(v, self.w_rec) + self._hidden_shift

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return self._rbm._down(h, self.w_rec) + self._visible_shift


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

    def prepare(self, rbm: AbstractRBM) -> None:
        if not self.built:
            shapes = {
                "fast_weights": tuple(rbm.w_rec.shape),
                "fast_visible_bias": tuple(rbm.visible.bias.shape),
                "fast_hidden_bias": tuple(rbm.hidden.bias.shape),
            }
            self.fast = [
                self.add_weight(shape=shape, dtype=rbm.state_dtype, initializer="zeros", trainable=False, name=name)
                for name, shape in shapes.items()
            ]
        super().prepare(rbm)

    def reset(self, rbm: AbstractRBM, states: tf.Tensor | None = None) -> None:
        super().reset(rbm, states)
        for variable in self.fast:
            variable.assign(tf.zeros_like(variable))

    def run_chains(self, rbm: AbstractRBM, chains: tf.Tensor) -> Samples:
        return super().run_chains(ShiftedRBM(rbm, [tf.convert_to_tensor(x) for x in self.fast]), chains)

    def update(self, samples: Samples, gradients: list[tf.Tensor]) -> None:
        super().update(samples, gradients)
        for variable, gradient in zip(self.fast, gradients, strict=True):
            variable.assign(self.decay * variable - self.fast_learning_rate * tf.cast(gradient, variable.dtype))

    def get_config(self) -> dict:
        return {**super().get_config(), "fast_learning_rate": self.fast_learning_rate, "decay": self.decay}
