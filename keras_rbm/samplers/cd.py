"""Contrastive divergence."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.samplers.chains import gibbs
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

    def negative_phase(
        self, rbm: AbstractRBM, v_data: tf.Tensor, weights: tf.Tensor, hidden_input: tf.Tensor | None = None
    ) -> Samples:
        # A sample counts as much as the case that it started from.
        return Samples(gibbs(rbm, v_data, self.num_steps, hidden_input=hidden_input), weights)
