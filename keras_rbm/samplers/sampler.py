"""The contract that every source of model samples keeps."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import keras
import tensorflow as tf

from keras_rbm.arguments import positive_integer


class Samples(NamedTuple):
    """What a negative phase found.

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


class Sampler(keras.layers.Layer):
    """Where the model's own samples come from while it learns.

    A step calls `negative_phase`, which changes nothing but the random key, and then, if the step's gradients are
    sound, `update`. State (chains) is kept in non-trainable weights, so saving sees it.

    Args:
        num_steps: Gibbs sweeps between two updates of the parameters, at least 1.

    Raises:
        ValueError: if `num_steps` is not a positive integer.
    """

    #: Names of the scalars in `Samples.logs`.
    log_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, num_steps: int = 1, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_steps = positive_integer(num_steps, "num_steps")

    def prepare(self, machine: Any) -> None:
        """Creates the state, when the machine that it samples is built."""
        self.built = True

    def reset(self, machine: Any, states: tf.Tensor | None = None) -> None:
        """Starts the state anew, from the machine's visible bias, or in given states `(any number, visible)`."""

    def negative_phase(self, machine: Any, v_data: tf.Tensor, weights: tf.Tensor) -> Samples:
        """Samples of the model.

        Args:
            machine: an RBM.
            v_data: the batch, `(batch, visible)`, with case weights `(batch,)`.
        """
        raise NotImplementedError

    def update(self, samples: Samples, gradients: list[tf.Tensor]) -> None:
        """Keeps what the next step needs.

        Args:
            samples: what `negative_phase` found.
            gradients: of minus the log-likelihood, in the weights, the visible and the hidden bias.
        """
        for name, value in samples.state.items():
            getattr(self, name).assign(value)

    def get_build_config(self) -> None:
        """Nothing: the machine that a sampler belongs to prepares it."""
        return None

    def get_config(self) -> dict:
        return {**super().get_config(), "num_steps": self.num_steps}
