"""The contract that every source of model samples keeps."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.arguments import positive_integer


class Sampler(keras.layers.Layer):
    """Where the model's own samples come from while it learns.

    A step calls `negative_phase`, which changes nothing but the random key, and then, if the step's gradients are
    sound, `update`. State (chains) is kept in non-trainable weights, so saving sees it.

    Args:
        num_steps: Gibbs sweeps between two updates of the parameters, at least 1.

    Raises:
        ValueError: if `num_steps` is not a positive integer.
    """

    def __init__(self, num_steps: int = 1, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.num_steps = positive_integer(num_steps, "num_steps")

    def prepare(self, machine: Any) -> None:
        """Creates the state, when the machine that it samples is built."""
        self.built = True

    def reset(self, machine: Any) -> None:
        """Starts the state anew, from the machine's visible bias."""

    def negative_phase(self, machine: Any, v_data: tf.Tensor) -> tf.Tensor:
        """Samples of the model, `(chains, visible)`, which need not be as many as the data."""
        raise NotImplementedError

    def sample_weights(self, v_model: tf.Tensor, data_weights: tf.Tensor) -> tf.Tensor:
        """What each sample counts, `(chains,)`: all the same, unless samples belong to cases."""
        return tf.ones(tf.shape(v_model)[:1], data_weights.dtype)

    def update(self, v_model: tf.Tensor, gradients: list[tf.Tensor]) -> None:
        """Keeps what the next step needs of this one's samples and gradients."""

    def get_build_config(self) -> None:
        """Nothing: the machine that a sampler belongs to prepares it."""
        return None

    def get_config(self) -> dict:
        return {**super().get_config(), "num_steps": self.num_steps}
