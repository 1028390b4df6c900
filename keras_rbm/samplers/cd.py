"""Contrastive divergence."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.samplers.gibbs import gibbs
from keras_rbm.samplers.sampler import Sampler, Samples


@keras.saving.register_keras_serializable("keras_rbm")
class CD(Sampler):
    """Contrastive divergence: a few Gibbs sweeps from the data themselves.

    Cheap, low in variance, biased: the model is only tested near the data.

    Args:
        num_steps: Gibbs sweeps, at least 1.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, sampler=keras_rbm.samplers.CD(num_steps=10))
    ```

    Reference:
        Hinton, 2002, "Training products of experts by minimizing contrastive divergence".
    """

    def negative_phase(self, machine: Any, v_data: tf.Tensor, weights: tf.Tensor) -> Samples:
        # A sample counts as much as the case that it started from.
        return Samples(gibbs(machine, v_data, self.num_steps), weights)
