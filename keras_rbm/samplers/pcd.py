"""Persistent contrastive divergence."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer
from keras_rbm.random import Draws
from keras_rbm.samplers.chains import gibbs
from keras_rbm.samplers.sampler import Sampler, Samples


@keras.saving.register_keras_serializable("keras_rbm")
class PCD(Sampler):
    """Persistent contrastive divergence: Markov chains that go on from one update to the next.

    The chains are a weight of shape `(num_chains, visible)`, whatever the batch size, and are saved with the model. The
    replicas of a distribution strategy share them out, and tell each other after each step where they are.

    Args:
        num_steps: Gibbs sweeps an update, at least 1.
        num_chains: how many chains, at least 1.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler=keras_rbm.samplers.PCD(num_steps=10, num_chains=100))
    ```

    Reference:
        Tieleman, 2008, "Training restricted Boltzmann rbms using approximations to the likelihood gradient".
    """

    chains: keras.Variable
    num_chains: int
    _owner: weakref.ref[AbstractRBM]

    def __init__(self, num_steps: int = 1, num_chains: int = 100, **kwargs: Any) -> None:
        super().__init__(num_steps, **kwargs)
        self.num_chains = positive_integer(num_chains, "num_chains")

    @property
    def num_rows(self) -> int:
        """How many states the chains have in all."""
        return self.num_chains

    def prepare(self, rbm: AbstractRBM) -> None:
        if self.built:
            if self._owner() is not rbm:
                raise ValueError(
                    "A sampler's chains belong to one model. Received: a sampler that another model has, with chains "
                    f"of width {self.chains.shape[1]}, for one with {rbm.visible.width} visible units. Give this model "
                    f"a sampler of its own: a new {type(self).__name__}(...)."
                )
            return
        self._owner = weakref.ref(rbm)
        if self.num_chains < tf.distribute.get_strategy().num_replicas_in_sync:
            raise ValueError(
                "Each replica of a distribution strategy needs a chain of its own. "
                f"Received: num_chains={self.num_chains}. Give as many as there are replicas, or more."
            )
        self.chains = self.add_weight(
            shape=(self.num_rows, rbm.visible.width),
            dtype=rbm.state_dtype,
            initializer=lambda shape, dtype: self._initial(rbm, rbm.stream.spawn("chains")),
            trainable=False,
            name="chains",
        )
        self.built = True

    def _initial(self, rbm: AbstractRBM, draws: Draws) -> tf.Tensor:
        return rbm._drawn_from_biases(tf.zeros((self.num_rows, rbm.visible.width), rbm.state_dtype), draws)

    def reset(self, rbm: AbstractRBM, states: tf.Tensor | None = None) -> None:
        if states is None:
            states = self._initial(rbm, rbm.stream)
        self.chains.assign(tf.gather(states, tf.range(self.num_rows) % tf.shape(states)[0]))

    def negative_phase(
        self, rbm: AbstractRBM, v_data: tf.Tensor, weights: tf.Tensor, hidden_input: tf.Tensor | None = None
    ) -> Samples:
        own = replicas.own_rows(tf.identity(self.chains.value), self._num_groups)
        return self._told(self.run_chains(rbm, own))

    def _told(self, samples: Samples) -> Samples:
        """What one replica's chains gave, its state and logs being those of all replicas."""
        if replicas.number() == 1:
            return samples
        start, stop = replicas.span(self.num_chains)
        share = (stop - start) / self.num_chains
        state, logs = ({name: share * x for name, x in values.items()} for values in (samples.state, samples.logs))
        state["chains"] = replicas.among_all(samples.state["chains"], self.num_rows, self._num_groups)
        state, logs = replicas.summed((state, logs))
        return samples._replace(state=state, logs=logs)

    @property
    def _num_groups(self) -> int:
        """How many groups of `num_chains` rows the chains are."""
        return self.num_rows // self.num_chains

    def run_chains(self, rbm: AbstractRBM, chains: tf.Tensor) -> Samples:
        """Where `chains` `(rows, visible)`, all or a replica's part, are after `num_steps` sweeps."""
        v = gibbs(rbm, chains, self.num_steps)
        return Samples(v, tf.ones(tf.shape(v)[:1], v.dtype), {"chains": v})

    def get_config(self) -> dict:
        return {**super().get_config(), "num_chains": self.num_chains}
