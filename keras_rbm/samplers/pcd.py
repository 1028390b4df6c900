"""Persistent contrastive divergence."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.arguments import positive_integer
from keras_rbm.random import Draws
from keras_rbm.samplers.gibbs import gibbs
from keras_rbm.samplers.sampler import Sampler, Samples


@keras.saving.register_keras_serializable("keras_rbm")
class PCD(Sampler):
    """Persistent contrastive divergence: Markov chains that go on from one update to the next.

    The chains are a weight of shape `(num_chains, visible)`, whatever the batch size, and are saved with the model.

    Args:
        num_steps: Gibbs sweeps an update, at least 1.
        num_chains: how many chains, at least 1.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler=keras_rbm.samplers.PCD(num_steps=10, num_chains=100))
    ```

    Reference:
        Tieleman, 2008, "Training restricted Boltzmann machines using approximations to the likelihood gradient".
    """

    chains: keras.Variable

    def __init__(self, num_steps: int = 1, num_chains: int = 100, **kwargs: Any) -> None:
        super().__init__(num_steps, **kwargs)
        self.num_chains = positive_integer(num_chains, "num_chains")

    @property
    def num_rows(self) -> int:
        """How many states the chains have in all."""
        return self.num_chains

    def prepare(self, machine: Any) -> None:
        if self.built:
            if self.chains.shape[1] != machine.visible.width:
                raise ValueError(
                    f"A sampler's chains belong to one model. Received: a model with {machine.visible.width} visible "
                    f"units for chains of width {self.chains.shape[1]}. Give this model a sampler of its own."
                )
            return
        self.chains = self.add_weight(
            shape=(self.num_rows, machine.visible.width),
            dtype=machine.state_dtype,
            initializer=lambda shape, dtype: self._start(
                machine, Draws(machine.stream.key.value - tf.constant([0, 1], tf.int64))
            ),
            trainable=False,
            name="chains",
        )
        self.built = True

    def _start(self, machine: Any, draws: Draws) -> tf.Tensor:
        zeros = tf.zeros((self.num_rows, machine.visible.width), machine.state_dtype)
        return machine.visible.sample(machine.visible.field(zeros), draws)

    def reset(self, machine: Any, states: tf.Tensor | None = None) -> None:
        if states is None:
            states = self._start(machine, machine.stream)
        self.chains.assign(tf.gather(states, tf.range(self.num_rows) % tf.shape(states)[0]))

    def negative_phase(self, machine: Any, v_data: tf.Tensor, weights: tf.Tensor) -> Samples:
        return self.advance(machine, tf.identity(self.chains.value))

    def advance(self, machine: Any, chains: tf.Tensor) -> Samples:
        """Where `chains` `(num_rows, visible)` are after `num_steps` sweeps."""
        v = gibbs(machine, chains, self.num_steps)
        return Samples(v, tf.ones(self.num_chains, v.dtype), {"chains": v})

    def get_config(self) -> dict:
        return {**super().get_config(), "num_chains": self.num_chains}
