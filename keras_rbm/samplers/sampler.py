"""The contract that every source of model samples keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import keras
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer
from keras_rbm.samplers.chains import gibbs


class Samples(NamedTuple):
    """The result of a negative phase.

    Args:
        v: samples of the model, `(samples, visible)`, which need not be as many as the data.
        weights: what each of them counts, `(samples,)`.
        state: new values of the sampler's weights, by attribute name, for `Sampler.update` to keep.
        logs: scalars by name.
    """

    v: tf.Tensor
    weights: tf.Tensor
    state: dict[str, tf.Tensor] = {}
    logs: dict[str, tf.Tensor] = {}


class Sampler(keras.layers.Layer, ABC):
    """Where the model's own samples come from while it learns.

    A step calls `negative_phase`, which changes nothing but the random key, and then, if the step's gradients are
    sound, `update`. State (chains) is kept in non-trainable weights, so saving sees it.

    Args:
        num_steps: Gibbs sweeps between two updates of the parameters, at least 1.

    Raises:
        ValueError: if `num_steps` is not a positive integer.

    Example: contrastive divergence that forgets a tenth of the data's influence, by starting those cases from noise.

    ```python
    @keras.saving.register_keras_serializable("my_package")
    class NoisyCD(keras_rbm.samplers.Sampler):
        def negative_phase(self, rbm, v_data, weights, hidden_input=None):
            noise = rbm.initial_states(tf.shape(v_data)[0])
            restarted = rbm.stream.uniform_like(weights) < 0.1
            start = tf.where(restarted[:, None], noise, v_data)
            return keras_rbm.samplers.Samples(keras_rbm.samplers.gibbs(rbm, start, self.num_steps), weights)


    rbm = keras_rbm.RBM(500, sampler=NoisyCD(num_steps=5))
    ```
    """

    #: Names of the scalars in `Samples.logs`.
    log_names: ClassVar[tuple[str, ...]] = ()
    #: Where the chains are, `(rows, visible)`, if they go on from one update to the next.
    chains: keras.Variable | None = None
    #: How many chains those are at `beta = 1`.
    num_chains: int = 0
    #: Whether a step that is undone, since data are bad or gradients not finite, also undoes what `update` has kept.
    undoes: ClassVar[bool] = True

    def __init__(self, num_steps: int = 1, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_steps = positive_integer(num_steps, "num_steps")

    def prepare(self, rbm: AbstractRBM) -> None:
        """Creates the state, when the RBM that it samples is built."""
        self.built = True

    def reset(self, rbm: AbstractRBM, states: tf.Tensor | None = None) -> None:
        """Starts the state anew, from the RBM's visible bias, or in given states `(any number, visible)`."""

    @abstractmethod
    def negative_phase(
        self, rbm: AbstractRBM, v_data: tf.Tensor, weights: tf.Tensor, hidden_input: tf.Tensor | None = None
    ) -> Samples:
        """Samples of the model, drawn with `rbm.stream`; there may be more or fewer than data.

        Args:
            v_data: the batch as states of the RBM, `(batch, visible)`, with case weights `(batch,)`.
            hidden_input: what the batch brings to the hidden units, `(batch, hidden)`, where that is known already.
        """

    def run_chains(self, rbm: AbstractRBM, chains: tf.Tensor) -> Samples:
        """Where `chains` `(rows, visible)` are after they went on in this sampler's way: by default one sweep later.

        Returns:
            samples at `beta = 1`, and in `state` under `"chains"` where all chains are.
        """
        v = gibbs(rbm, chains, 1)
        return Samples(v, tf.ones(tf.shape(v)[:1], v.dtype), {"chains": v})

    def update(self, samples: Samples, gradients: list[tf.Tensor]) -> None:
        """Keeps what the next step needs.

        Args:
            samples: the result of `negative_phase`.
            gradients: of minus the log-likelihood, in the weights, the visible and the hidden bias.
        """
        for name, value in samples.state.items():
            getattr(self, name).assign(value)

    def get_build_config(self) -> None:
        """Nothing: the RBM that a sampler belongs to prepares it."""
        return None

    def get_config(self) -> dict:
        return {**super().get_config(), "num_steps": self.num_steps}
